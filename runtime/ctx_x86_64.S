/* ctx_x86_64.S - switching stacks on x86-64 (System V ABI).   SPDX-License-Identifier: MIT */
	.text
	.globl	rn__ctx_switch
	.hidden	rn__ctx_switch
	.type	rn__ctx_switch, @function
	.p2align 4
rn__ctx_switch:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	movq	%rsp, %rbp	/* a frame like any other, for those who walk frame pointers */
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movl	(%rsp), %eax
	movzwl	4(%rsp), %ecx
	movq	%rsp, (%rdi)
	movq	(%rsi), %rsp
	cmpl	(%rsp), %eax	/* nearly always they are the same, and to load them is slow */
	je	1f
	ldmxcsr	(%rsp)
1:	cmpw	4(%rsp), %cx
	je	2f
	fldcw	4(%rsp)
2:	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret	/* predicted well: nearly all were left at the same call, and a jmp would leave the returns above it out of step */
	.cfi_endproc
	.size	rn__ctx_switch, . - rn__ctx_switch

/* The first frame of every goroutine: rbx is the entry, r12 its argument.  Nothing is below it. */
	.globl	rn__ctx_entry
	.hidden	rn__ctx_entry
	.type	rn__ctx_entry, @function
	.p2align 4
rn__ctx_entry:
	.cfi_startproc
	.cfi_undefined %rip
	endbr64
	xorl	%ebp, %ebp
	movq	%r12, %rdi
	call	*%rbx
	ud2
	.cfi_endproc
	.size	rn__ctx_entry, . - rn__ctx_entry
	.section .note.GNU-stack, "", @progbits
