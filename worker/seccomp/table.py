"""The system calls of Docker's default profile: when each is permitted, and its number on every architecture.

Facts: the profile's names and conditions as of 2026 (github.com/moby/profiles, which BuildKit uses too); numbers of
Linux 7.1. A heading in brackets says when what follows is permitted: always; by its arguments (profile.py); or with any
of these capabilities. The columns are those of COLUMNS, "-" where an architecture lacks the call; one number alone is
the same on all, as for everything since Linux 5.1. What is not here is refused.
"""

__all__ = ["COLUMNS", "NEWEST", "TABLE"]

COLUMNS = (
    "x86_64",
    "x86",
    "aarch64",
    "arm",
    "ppc64",
    "s390x",
)  # aarch64: the generic numbers, RISC-V and LoongArch too

NEWEST = 471  # higher numbers are of calls this table cannot know: programs then do without, as on an older kernel

TABLE = """
[always]
_llseek                     -   140     -   140   140     -
_newselect                  -   142     -   142   142     -
accept                     43     -   202   285   330     -
accept4                   288   364   242   366   344   364
access                     21    33     -    33    33    33
adjtimex                  159   124   171   124   124   124
alarm                      37    27     -     -    27    27
arch_prctl                158   384     -     -     -     -
arm_fadvise64_64            -     -     -   270     -     -
arm_sync_file_range         -     -     -   341     -     -
bind                       49   361   200   282   327   361
breakpoint                  -     -     - 983041     -     -
brk                        12    45   214    45    45    45
cacheflush                  -     -     - 983042     -     -
capget                    125   184    90   184   183   184
capset                    126   185    91   185   184   185
chdir                      80    12    49    12    12    12
chmod                      90    15     -    15    15    15
chown                      92   182     -   182   181   212
chown32                     -   212     -   212     -     -
clock_adjtime             305   343   266   372   347   337
clock_adjtime64             -   405     -   405     -     -
clock_getres              229   266   114   264   247   261
clock_getres_time64         -   406     -   406     -     -
clock_gettime             228   265   113   263   246   260
clock_gettime64             -   403     -   403     -     -
clock_nanosleep           230   267   115   265   248   262
clock_nanosleep_time64      -   407     -   407     -     -
close                       3     6    57     6     6     6
connect                    42   362   203   283   328   362
copy_file_range           326   377   285   391   379   375
creat                      85     8     -     8     8     8
dup                        32    41    23    41    41    41
dup2                       33    63     -    63    63    63
dup3                      292   330    24   358   316   326
epoll_create              213   254     -   250   236   249
epoll_create1             291   329    20   357   315   327
epoll_ctl                 233   255    21   251   237   250
epoll_ctl_old             214     -     -     -     -     -
epoll_pwait               281   319    22   346   303   312
epoll_wait                232   256     -   252   238   251
epoll_wait_old            215     -     -     -     -     -
eventfd                   284   323     -   351   307   318
eventfd2                  290   328    19   356   314   323
execve                     59    11   221    11    11    11
execveat                  322   358   281   387   362   354
exit                       60     1    93     1     1     1
exit_group                231   252    94   248   234   248
faccessat                 269   307    48   334   298   300
fadvise64                 221   250   223     -   233   253
fadvise64_64                -   272     -     -     -     -
fallocate                 285   324    47   352   309   314
fanotify_mark             301   339   263   368   324   333
fchdir                     81   133    50   133   133   133
fchmod                     91    94    52    94    94    94
fchmodat                  268   306    53   333   297   299
fchown                     93    95    55    95    95   207
fchown32                    -   207     -   207     -     -
fchownat                  260   298    54   325   289   291
fcntl                      72    55    25    55    55    55
fcntl64                     -   221     -   221     -     -
fdatasync                  75   148    83   148   148   148
fgetxattr                 193   231    10   231   214   229
flistxattr                196   234    13   234   217   232
flock                      73   143    32   143   143   143
fork                       57     2     -     2     2     2
fremovexattr              199   237    16   237   220   235
fsetxattr                 190   228     7   228   211   226
fstat                       5   108    80   108   108   108
fstat64                     -   197     -   197     -     -
fstatat64                   -   300     -   327     -     -
fstatfs                   138   100    44   100   100   100
fstatfs64                   -   269     -   267   253   266
fsync                      74   118    82   118   118   118
ftruncate                  77    93    46    93    93    93
ftruncate64                 -   194     -   194     -     -
futex                     202   240    98   240   221   238
futex_time64                -   422     -   422     -     -
futimesat                 261   299     -   326   290   292
get_robust_list           274   312   100   339   299   305
get_thread_area           211   244     -     -     -     -
getcpu                    309   318   168   345   302   311
getcwd                     79   183    17   183   182   183
getdents                   78   141     -   141   141   141
getdents64                217   220    61   217   202   220
getegid                   108    50   177    50    50   202
getegid32                   -   202     -   202     -     -
geteuid                   107    49   175    49    49   201
geteuid32                   -   201     -   201     -     -
getgid                    104    47   176    47    47   200
getgid32                    -   200     -   200     -     -
getgroups                 115    80   158    80    80   205
getgroups32                 -   205     -   205     -     -
getitimer                  36   105   102   105   105   105
getpeername                52   368   205   287   332   368
getpgid                   121   132   155   132   132   132
getpgrp                   111    65     -    65    65    65
getpid                     39    20   172    20    20    20
getppid                   110    64   173    64    64    64
getpriority               140    96   141    96    96    96
getrandom                 318   355   278   384   359   349
getresgid                 120   171   150   171   170   211
getresgid32                 -   211     -   211     -     -
getresuid                 118   165   148   165   165   209
getresuid32                 -   209     -   209     -     -
getrlimit                  97    76   163     -    76   191
getrusage                  98    77   165    77    77    77
getsid                    124   147   156   147   147   147
getsockname                51   367   204   286   331   367
getsockopt                 55   365   209   295   340   365
gettid                    186   224   178   224   207   236
gettimeofday               96    78   169    78    78    78
getuid                    102    24   174    24    24   199
getuid32                    -   199     -   199     -     -
getxattr                  191   229     8   229   212   227
inotify_add_watch         254   292    27   317   276   285
inotify_init              253   291     -   316   275   284
inotify_init1             294   332    26   360   318   324
inotify_rm_watch          255   293    28   318   277   286
io_cancel                 210   249     3   247   231   247
io_destroy                207   246     1   244   228   244
io_getevents              208   247     4   245   229   245
io_pgetevents             333   385   292   399   388   382
io_pgetevents_time64        -   416     -   416     -     -
io_setup                  206   245     0   243   227   243
io_submit                 209   248     2   246   230   246
ioctl                      16    54    29    54    54    54
ioprio_get                252   290    31   315   274   283
ioprio_set                251   289    30   314   273   282
ipc                         -   117     -     -   117   117
kill                       62    37   129    37    37    37
lchown                     94    16     -    16    16   198
lchown32                    -   198     -   198     -     -
lgetxattr                 192   230     9   230   213   228
link                       86     9     -     9     9     9
linkat                    265   303    37   330   294   296
listen                     50   363   201   284   329   363
listxattr                 194   232    11   232   215   230
llistxattr                195   233    12   233   216   231
lremovexattr              198   236    15   236   219   234
lseek                       8    19    62    19    19    19
lsetxattr                 189   227     6   227   210   225
lstat                       6   107     -   107   107   107
lstat64                     -   196     -   196     -     -
madvise                    28   219   233   220   205   219
membarrier                324   375   283   389   365   356
memfd_create              319   356   279   385   360   350
memfd_secret              447   447   447     -     -   447
mincore                    27   218   232   219   206   218
mkdir                      83    39     -    39    39    39
mkdirat                   258   296    34   323   287   289
mknod                     133    14     -    14    14    14
mknodat                   259   297    33   324   288   290
mlock                     149   150   228   150   150   150
mlock2                    325   376   284   390   378   374
mlockall                  151   152   230   152   152   152
mmap                        9    90   222     -    90    90
mmap2                       -   192     -   192     -     -
modify_ldt                154   123     -     -   123     -
mprotect                   10   125   226   125   125   125
mq_getsetattr             245   282   185   279   267   276
mq_notify                 244   281   184   278   266   275
mq_open                   240   277   180   274   262   271
mq_timedreceive           243   280   183   277   265   274
mq_timedreceive_time64      -   419     -   419     -     -
mq_timedsend              242   279   182   276   264   273
mq_timedsend_time64         -   418     -   418     -     -
mq_unlink                 241   278   181   275   263   272
mremap                     25   163   216   163   163   163
msgctl                     71   402   187   304   402   402
msgget                     68   399   186   303   399   399
msgrcv                     70   401   188   302   401   401
msgsnd                     69   400   189   301   400   400
msync                      26   144   227   144   144   144
munlock                   150   151   229   151   151   151
munlockall                152   153   231   153   153   153
munmap                     11    91   215    91    91    91
name_to_handle_at         303   341   264   370   345   335
nanosleep                  35   162   101   162   162   162
newfstatat                262     -    79     -   291   293
open                        2     5     -     5     5     5
openat                    257   295    56   322   286   288
pause                      34    29     -    29    29    29
pipe                       22    42     -    42    42    42
pipe2                     293   331    59   359   317   325
pkey_alloc                330   381   289   395   384   385
pkey_free                 331   382   290   396   385   386
pkey_mprotect             329   380   288   394   386   384
poll                        7   168     -   168   167   168
ppoll                     271   309    73   336   281   302
ppoll_time64                -   414     -   414     -     -
prctl                     157   172   167   172   171   172
pread64                    17   180    67   180   179   180
preadv                    295   333    69   361   320   328
preadv2                   327   378   286   392   380   376
prlimit64                 302   340   261   369   325   334
process_vm_readv          310   347   270   376   351   340
process_vm_writev         311   348   271   377   352   341
pselect6                  270   308    72   335   280   301
pselect6_time64             -   413     -   413     -     -
ptrace                    101    26   117    26    26    26
pwrite64                   18   181    68   181   180   181
pwritev                   296   334    70   362   321   329
pwritev2                  328   379   287   393   381   377
read                        0     3    63     3     3     3
readahead                 187   225   213   225   191   222
readlink                   89    85     -    85    85    85
readlinkat                267   305    78   332   296   298
readv                      19   145    65   145   145   145
recv                        -     -     -   291   336     -
recvfrom                   45   371   207   292   337   371
recvmmsg                  299   337   243   365   343   357
recvmmsg_time64             -   417     -   417     -     -
recvmsg                    47   372   212   297   342   372
remap_file_pages          216   257   234   253   239   267
removexattr               197   235    14   235   218   233
rename                     82    38     -    38    38    38
renameat                  264   302    38   329   293   295
renameat2                 316   353   276   382   357   347
restart_syscall           219     0   128     0     0     7
riscv_flush_icache          -     -   259     -     -     -
riscv_hwprobe               -     -   258     -     -     -
rmdir                      84    40     -    40    40    40
rseq                      334   386   293   398   387   383
rt_sigaction               13   174   134   174   173   174
rt_sigpending             127   176   136   176   175   176
rt_sigprocmask             14   175   135   175   174   175
rt_sigqueueinfo           129   178   138   178   177   178
rt_sigreturn               15   173   139   173   172   173
rt_sigsuspend             130   179   133   179   178   179
rt_sigtimedwait           128   177   137   177   176   177
rt_sigtimedwait_time64      -   421     -   421     -     -
rt_tgsigqueueinfo         297   335   240   363   322   330
s390_pci_mmio_read          -     -     -     -     -   353
s390_pci_mmio_write         -     -     -     -     -   352
s390_runtime_instr          -     -     -     -     -   342
sched_get_priority_max    146   159   125   159   159   159
sched_get_priority_min    147   160   126   160   160   160
sched_getaffinity         204   242   123   242   223   240
sched_getattr             315   352   275   381   356   346
sched_getparam            143   155   121   155   155   155
sched_getscheduler        145   157   120   157   157   157
sched_rr_get_interval     148   161   127   161   161   161
sched_rr_get_interval_time64    -   423     -   423     -     -
sched_setaffinity         203   241   122   241   222   239
sched_setattr             314   351   274   380   355   345
sched_setparam            142   154   118   154   154   154
sched_setscheduler        144   156   119   156   156   156
sched_yield                24   158   124   158   158   158
seccomp                   317   354   277   383   358   348
select                     23    82     -     -    82   142
semctl                     66   394   191   300   394   394
semget                     64   393   190   299   393   393
semop                      65     -   193   298     -     -
semtimedop                220     -   192   312   392   392
semtimedop_time64           -   420     -   420     -     -
send                        -     -     -   289   334     -
sendfile                   40   187    71   187   186   187
sendfile64                  -   239     -   239     -     -
sendmmsg                  307   345   269   374   349   358
sendmsg                    46   370   211   296   341   370
sendto                     44   369   206   290   335   369
set_robust_list           273   311    99   338   300   304
set_thread_area           205   243     -     -     -     -
set_tid_address           218   258    96   256   232   252
set_tls                     -     -     - 983045     -     -
setfsgid                  123   139   152   139   139   216
setfsgid32                  -   216     -   216     -     -
setfsuid                  122   138   151   138   138   215
setfsuid32                  -   215     -   215     -     -
setgid                    106    46   144    46    46   214
setgid32                    -   214     -   214     -     -
setgroups                 116    81   159    81    81   206
setgroups32                 -   206     -   206     -     -
setitimer                  38   104   103   104   104   104
setpgid                   109    57   154    57    57    57
setpriority               141    97   140    97    97    97
setregid                  114    71   143    71    71   204
setregid32                  -   204     -   204     -     -
setresgid                 119   170   149   170   169   210
setresgid32                 -   210     -   210     -     -
setresuid                 117   164   147   164   164   208
setresuid32                 -   208     -   208     -     -
setreuid                  113    70   145    70    70   203
setreuid32                  -   203     -   203     -     -
setrlimit                 160    75   164    75    75    75
setsid                    112    66   157    66    66    66
setsockopt                 54   366   208   294   339   366
setuid                    105    23   146    23    23   213
setuid32                    -   213     -   213     -     -
setxattr                  188   226     5   226   209   224
shmat                      30   397   196   305   397   397
shmctl                     31   396   195   308   396   396
shmdt                      67   398   197   306   398   398
shmget                     29   395   194   307   395   395
shutdown                   48   373   210   293   338   373
sigaltstack               131   186   132   186   185   186
signalfd                  282   321     -   349   305   316
signalfd4                 289   327    74   355   313   322
sigprocmask                 -   126     -   126   126   126
sigreturn                   -   119     -   119   119   119
socketcall                  -   102     -     -   102   102
socketpair                 53   360   199   288   333   360
splice                    275   313    76   340   283   306
stat                        4   106     -   106   106   106
stat64                      -   195     -   195     -     -
statfs                    137    99    43    99    99    99
statfs64                    -   268     -   266   252   265
statx                     332   383   291   397   383   379
swapcontext                 -     -     -     -   249     -
symlink                    88    83     -    83    83    83
symlinkat                 266   304    36   331   295   297
sync                      162    36    81    36    36    36
sync_file_range           277   314    84     -     -   307
sync_file_range2            -     -     -     -   308     -
syncfs                    306   344   267   373   348   338
sysinfo                    99   116   179   116   116   116
tee                       276   315    77   342   284   308
tgkill                    234   270   131   268   250   241
time                      201    13     -     -    13     -
timer_create              222   259   107   257   240   254
timer_delete              226   263   111   261   244   258
timer_getoverrun          225   262   109   260   243   257
timer_gettime             224   261   108   259   242   256
timer_gettime64             -   408     -   408     -     -
timer_settime             223   260   110   258   241   255
timer_settime64             -   409     -   409     -     -
timerfd_create            283   322    85   350   306   319
timerfd_gettime           287   326    87   354   312   321
timerfd_gettime64           -   410     -   410     -     -
timerfd_settime           286   325    86   353   311   320
timerfd_settime64           -   411     -   411     -     -
times                     100    43   153    43    43    43
tkill                     200   238   130   238   208   237
truncate                   76    92    45    92    92    92
truncate64                  -   193     -   193     -     -
ugetrlimit                  -   191     -   191   190     -
umask                      95    60   166    60    60    60
uname                      63   122   160   122   122   122
unlink                     87    10     -    10    10    10
unlinkat                  263   301    35   328   292   294
uretprobe                 335     -     -     -     -     -
utime                     132    30     -     -    30    30
utimensat                 280   320    88   348   304   315
utimensat_time64            -   412     -   412     -     -
utimes                    235   271     -   269   251   313
vfork                      58   190     -   190   189   190
vmsplice                  278   316    75   343   285   309
wait4                      61   114   260   114   114   114
waitid                    247   284    95   280   272   281
waitpid                     -     7     -     -     7     -
write                       1     4    64     4     4     4
writev                     20   146    66   146   146   146
cachestat                 451
close_range               436
epoll_pwait2              441
faccessat2                439
fchmodat2                 452
futex_requeue             456
futex_wait                455
futex_waitv               449
futex_wake                454
getxattrat                464
landlock_add_rule         445
landlock_create_ruleset   444
landlock_restrict_self    446
listmount                 458
listxattrat               465
map_shadow_stack          453
mseal                     462
openat2                   437
pidfd_open                434
pidfd_send_signal         424
process_mrelease          448
removexattrat             466
setxattrat                463
statmount                 457
[by its arguments]
clone                      56   120   220   120   120   120
personality               135   136    92   136   136   136
socket                     41   359   198   281   326   359
clone3                    435
[CAP_BPF CAP_SYS_ADMIN]
bpf                       321   357   280   386   361   351
[CAP_DAC_READ_SEARCH]
open_by_handle_at         304   342   265   371   346   336
[CAP_PERFMON CAP_SYS_ADMIN]
perf_event_open           298   336   241   364   319   331
[CAP_SYSLOG CAP_SYS_ADMIN]
syslog                    103   103   116   103   103   103
[CAP_SYS_ADMIN]
fanotify_init             300   338   262   367   323   332
lookup_dcookie            212   253    18   249   235   110
mount                     165    21    40    21    21    21
quotactl                  179   131    60   131   131   131
setdomainname             171   121   162   121   121   121
sethostname               170    74   161    74    74    74
setns                     308   346   268   375   350   339
umount                      -    22     -     -    22    22
umount2                   166    52    39    52    52    52
unshare                   272   310    97   337   282   303
fsconfig                  431
fsmount                   432
fsopen                    430
fspick                    433
lsm_get_self_attr         459
lsm_list_modules          461
lsm_set_self_attr         460
mount_setattr             442
move_mount                429
open_tree                 428
quotactl_fd               443
[CAP_SYS_BOOT]
reboot                    169    88   142    88    88    88
[CAP_SYS_CHROOT]
chroot                    161    61    51    61    61    61
[CAP_SYS_MODULE]
delete_module             176   129   106   129   129   129
finit_module              313   350   273   379   353   344
init_module               175   128   105   128   128   128
[CAP_SYS_NICE]
get_mempolicy             239   275   236   320   260   269
mbind                     237   274   235   319   259   268
set_mempolicy             238   276   237   321   261   270
set_mempolicy_home_node   450
[CAP_SYS_PACCT]
acct                      163    51    89    51    51    51
[CAP_SYS_PTRACE]
kcmp                      312   349   272   378   354   343
pidfd_getfd               438
process_madvise           440
[CAP_SYS_RAWIO]
ioperm                    173   101     -     -   101     -
iopl                      172   110     -     -   110     -
[CAP_SYS_TIME]
clock_settime             227   264   112   262   245   259
clock_settime64             -   404     -   404     -     -
settimeofday              164    79   170    79    79    79
stime                       -    25     -     -    25     -
[CAP_SYS_TTY_CONFIG]
vhangup                   153   111    58   111   111   111
"""
