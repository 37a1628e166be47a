/* The one function of bcryptprimitives.dll that Rust's standard library calls, for a wine older than that library: random
   bytes, from where older Windows has them. */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length)
{
    return SystemFunction036(buffer, (ULONG)length);
}
