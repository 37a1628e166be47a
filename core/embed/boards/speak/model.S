/* The packed model in flash: the folder of micro-model.ebp is given to the assembler with -I. */
    .section .rodata.speak_model, "a"
    .global speak_model
    .global speak_model_end
    .balign 64
speak_model:
    .incbin "micro-model.ebp"
speak_model_end:
    .byte 0
