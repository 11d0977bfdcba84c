#include <stdio.h>

int main(void) {
    puts("Hello, world, from a static program in an image of its own!");
    return 0;
}
