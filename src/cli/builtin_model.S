/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* builtin_model.S - the bytes of models/builtin/stories.gguf inside the command, as builtin_model.h
 * declares them. Aligned like a mapped file, so that tensors keep their alignment. */
        .section .rodata
        .global kw_builtin_model
        .global kw_builtin_model_size
        .type   kw_builtin_model, %object
        .type   kw_builtin_model_size, %object
        .hidden kw_builtin_model
        .hidden kw_builtin_model_size
        .balign 4096
kw_builtin_model:
        .incbin KW_BUILTIN_MODEL_FILE
.Lend:
        .size   kw_builtin_model, .Lend - kw_builtin_model
        .balign 8
kw_builtin_model_size:
        .quad   .Lend - kw_builtin_model
        .size   kw_builtin_model_size, 8
        .section .note.GNU-stack, "", %progbits
