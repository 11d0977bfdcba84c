"""The system calls that Docker's default profile never permits, for profiles of one's own. Columns: table.py."""

__all__ = ["MORE_TABLE"]

MORE_TABLE = """
_sysctl                   156   149     -   149   149   149
add_key                   248   286   217   309   269   278
afs_syscall               183   137     -     -   137   137
bdflush                     -   134     -   134   134   134
break                       -    17     -     -    17     -
create_module             174   127     -     -   127   127
ftime                       -    35     -     -    35     -
get_kernel_syms           177   130     -     -   130   130
getpmsg                   181   188     -     -   187   188
gtty                        -    32     -     -    32     -
idle                        -   112     -     -   112   112
io_uring_enter            426
io_uring_register         427
io_uring_setup            425
kexec_file_load           320     -   294   401   382   381
kexec_load                246   283   104   347   268   277
keyctl                    250   288   219   311   271   280
lock                        -    53     -     -    53     -
migrate_pages             256   294   238   400   258   287
move_pages                279   317   239   344   301   310
mpx                         -    56     -     -    56     -
multiplexer                 -     -     -     -   201     -
nfsservctl                180   169    42   169   168   169
nice                        -    34     -    34    34    34
oldfstat                    -    28     -     -    28     -
oldlstat                    -    84     -     -    84     -
oldolduname                 -    59     -     -    59     -
oldstat                     -    18     -     -    18     -
olduname                    -   109     -     -   109     -
pciconfig_iobase            -     -     -   271   200     -
pciconfig_read              -     -     -   272   198     -
pciconfig_write             -     -     -   273   199     -
pivot_root                155   217    41   218   203   217
prof                        -    44     -     -    44     -
profil                      -    98     -     -    98     -
putpmsg                   182   189     -     -   188   189
query_module              178   167     -     -   166   167
readdir                     -    89     -     -    89    89
request_key               249   287   218   310   270   279
rtas                        -     -     -     -   255     -
s390_guarded_storage        -     -     -     -     -   378
s390_sthyi                  -     -     -     -     -   380
security                  185     -     -     -     -     -
sgetmask                    -    68     -     -    68     -
sigaction                   -    67     -    67    67    67
signal                      -    48     -     -    48    48
sigpending                  -    73     -    73    73    73
sigsuspend                  -    72     -    72    72    72
spu_create                  -     -     -     -   279     -
spu_run                     -     -     -     -   278     -
ssetmask                    -    69     -     -    69     -
stty                        -    31     -     -    31     -
subpage_prot                -     -     -     -   310     -
swapoff                   168   115   225   115   115   115
swapon                    167    87   224    87    87    87
switch_endian               -     -     -     -   363     -
sys_debug_setcontext        -     -     -     -   256     -
sysfs                     139   135     -   135   135   135
tuxcall                   184     -     -     -   225     -
ulimit                      -    58     -     -    58     -
uselib                    134    86     -    86    86    86
userfaultfd               323   374   282   388   364   355
ustat                     136    62     -    62    62    62
vm86                        -   166     -     -   113     -
vm86old                     -   113     -     -     -     -
vserver                   236   273     -   313     -     -
"""
