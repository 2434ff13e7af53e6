/* ctx_aarch64.S - switching stacks on 64-bit ARM (AAPCS64).   SPDX-License-Identifier: MIT */
	.text
	.globl	rn__ctx_switch
	.hidden	rn__ctx_switch
	.type	rn__ctx_switch, %function
	.p2align 4
rn__ctx_switch:
	.cfi_startproc
	hint	#34			/* bti c */
	sub	sp, sp, #176
	.cfi_adjust_cfa_offset 176
	stp	x29, x30, [sp]
	.cfi_rel_offset x29, 0
	.cfi_rel_offset x30, 8
	mov	x29, sp
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mrs	x9, fpcr
	str	x9, [sp, #160]
	mov	x10, sp
	str	x10, [x0]
	ldr	x10, [x1]
	mov	sp, x10
	ldr	x9, [sp, #160]
	msr	fpcr, x9
	ldp	d14, d15, [sp, #144]
	ldp	d12, d13, [sp, #128]
	ldp	d10, d11, [sp, #112]
	ldp	d8, d9, [sp, #96]
	ldp	x27, x28, [sp, #80]
	ldp	x25, x26, [sp, #64]
	ldp	x23, x24, [sp, #48]
	ldp	x21, x22, [sp, #32]
	ldp	x19, x20, [sp, #16]
	ldp	x29, x30, [sp]
	add	sp, sp, #176
	.cfi_adjust_cfa_offset -176
	.cfi_restore x29
	.cfi_restore x30
	ret
	.cfi_endproc
	.size	rn__ctx_switch, . - rn__ctx_switch

/* The first frame of every goroutine: x19 is the entry, x20 its argument.  Nothing is below it. */
	.globl	rn__ctx_entry
	.hidden	rn__ctx_entry
	.type	rn__ctx_entry, %function
	.p2align 4
rn__ctx_entry:
	.cfi_startproc
	.cfi_undefined x30
	hint	#36			/* bti j */
	mov	x29, xzr
	mov	x0, x20
	blr	x19
	brk	#1
	.cfi_endproc
	.size	rn__ctx_entry, . - rn__ctx_entry
	.section .note.GNU-stack, "", %progbits
