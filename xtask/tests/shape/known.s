# An allocator whose hit paths are known by hand: one block, handed out again and again. What lies
# behind `cold` never runs, though it is the longer part and stands in front of the hit.

    .intel_syntax noprefix
    .text
    .macro function name
    .globl \name
    .type \name, @function
\name:
    .endm

# 8 instructions, 2 branches (one taken), 2 loads (the pop is one), 2 stores (the push is one).
    function malloc
    push rbx
    test rdi, rdi
    jne 2f
cold:
    mov rax, [rip + taken]
    mov rax, [rip + taken]
    call free
    pop rbx
    ret
2:  add qword ptr [rip + taken], 1
    jz cold
    lea rax, [rip + block]
    pop rbx
    ret

# 1 instruction.
    function free
    ret

# 5 instructions, 1 call, which costs 9 more, its store and load and 2 branches.
    function calloc
    imul rdi, rsi
    sub rsp, 8
    call malloc
    add rsp, 8
    ret

# 3 instructions, a call in the form of a jump to another library.
    function realloc
    mov rax, rdi
    cmp qword ptr [rip + taken], rax
    jmp [rip + labs@GOTPCREL]

    .bss
    .balign 16
taken:
    .zero 16
block:
    .zero 65536
    .section .note.GNU-stack, "", @progbits
