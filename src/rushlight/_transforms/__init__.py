"""What forward mode and batching are made of: tensors that stand for other tensors at a level of nesting.

`levels` has the wrapper and the stack of transforms that are running; `batched` and `dual` are its two kinds, each
with a table of rules by operation (`batching_rules`, `dual_rules`) and a general way for operations without one;
`pullback` takes reverse-mode derivatives through both. The core knows nothing of all this beyond
`__torch_function__`.
"""
