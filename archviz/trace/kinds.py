"""What things are to a reader: tables from class names and function names to `ir.KINDS`.

In: a module or the name of a function.  Out: its kind, and whether a module is looked into or taken as one.  One row
per name, no rule for a named model.
"""
from __future__ import annotations

import re
from functools import cache

from torch import jit, nn
from torch.nn.utils import parametrize

CLASSES: tuple[tuple[str, str], ...] = (
    # pattern on the class name (the first that matches its end counts), kind
    (r"ConvTranspose\d?d", "upconv"),
    (r"Conv1D|NonDynamicallyQuantizableLinear|Linear|Bilinear", "linear"),
    (r"Conv\d?d|Conv\dd\w*|Unfold|Fold", "conv"),
    (r"Embedding(Bag)?|Embeddings?", "embedding"),
    (r"\w*(Norm|BN|LRN)(\d?d|Fp32|FP32|Gated)?|\w*LayerNorm\w*|\w*RMSNorm\w*", "norm"),
    (r"Dropout\w*|\w*Dropout(\d?d)?|DropPath|\w*DropPath|StochasticDepth|DropBlock\w*", "dropout"),
    (r"Identity|Flatten|Unflatten|PixelUnshuffle|ChannelShuffle|\w*Pad\dd", "identity"),
    (r"(Adaptive)?(Max|Avg)Pool\dd|FractionalMaxPool\dd|LPPool\dd|MaxUnpool\dd", "pool"),
    (r"Upsample|UpsamplingNearest2d|UpsamplingBilinear2d|PixelShuffle", "upsample"),
    (r"MultiheadAttention", "attention"),
    (r"LSTM|GRU|RNN|LSTMCell|GRUCell|RNNCell|RNNBase", "recurrent"),
    (r"Softmax\w*|LogSoftmax|Softmin", "softmax"),
    (r"ReLU\d?|PReLU|RReLU|LeakyReLU|ELU|CELU|SELU|GELU|SiLU|Mish|Sigmoid|Tanh|Softplus|Softsign|Softshrink|Hardshrink"
     r"|Hardswish|Hardsigmoid|Hardtanh|Threshold|LogSigmoid|Tanhshrink|GLU|\w*(Activation|GELU|SiLU|Swish|ReLU\w?)"
     r"|Snake\w*", "act"),
    (r"CosineSimilarity|PairwiseDistance|\w*Loss|(De)?Quantize", "math"),
)
"""Leaf modules.  A class nobody knows is ``opaque`` when it cannot be looked into."""

EXACT = {"Flatten": "view", "Unflatten": "view", "PixelUnshuffle": "math", "ChannelShuffle": "math",
         "PixelShuffle": "upsample", "Fold": "view", "Unfold": "view"}

_PATTERNS = tuple((re.compile(f"(?:{pattern})$"), kind) for pattern, kind in CLASSES)
_COMPOSITE = re.compile(
    r"(?:\w*(Norm|Norm\dd|RMSNorm\w*|LayerNorm\w*|Activation|GELU\w*|SiLU|Swish|DropPath|StochasticDepth)|Conv1D)$")
"""Classes of other libraries without children that a reader takes for one operation."""

_FUNCTIONS: dict[str, str] = {
    "conv": "conv1d conv2d conv3d convolution causal_conv1d_fn",
    "upconv": "conv_transpose1d conv_transpose2d conv_transpose3d",
    "linear": "linear bilinear addmm baddbmm addbmm grouped_mm scaled_mm",
    "embedding": "embedding embedding_bag",
    "norm": "layer_norm batch_norm group_norm instance_norm local_response_norm rms_norm normalize weight_norm "
            "native_layer_norm",
    "act": "relu relu6 leaky_relu prelu rrelu elu celu selu gelu silu mish sigmoid tanh softplus softsign softshrink "
           "hardshrink hardswish hardsigmoid hardtanh threshold logsigmoid tanhshrink glu log_sigmoid logsigmoid expit",
    "pool": "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
            "adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d lp_pool1d lp_pool2d "
            "max_pool1d_with_indices max_pool2d_with_indices max_unpool1d max_unpool2d max_unpool3d",
    "upsample": "interpolate upsample upsample_nearest upsample_bilinear grid_sample pixel_shuffle",
    "attention": "scaled_dot_product_attention multi_head_attention_forward flash_attn_func flex_attention",
    "recurrent": "lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell",
    "add": "add sub rsub subtract",
    "mul": "mul multiply",
    "cat": "cat concat concatenate stack hstack vstack dstack column_stack nested_tensor as_nested_tensor",
    "matmul": "matmul mm bmm mv dot einsum tensordot outer inner chain_matmul vdot kron cdist",
    "softmax": "softmax log_softmax gumbel_softmax softmin",
    "reduce": "mean sum max min amax amin prod norm std var argmax argmin logsumexp any all median mode vector_norm "
              "std_mean var_mean aminmax nanmean nansum count_nonzero linalg_norm linalg_vector_norm cosine_similarity",
    "scan": "cumsum cumprod logcumsumexp cummax cummin selective_scan_fn",
    "dropout": "dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout",
    "view": "view reshape flatten unflatten transpose permute t T mT H mH squeeze unsqueeze expand expand_as view_as "
            "reshape_as movedim contiguous ravel unfold fold as_strided "
            "unbind chunk split split_with_sizes tensor_split hsplit vsplit narrow select diagonal repeat "
            "repeat_interleave tile roll flip fliplr flipud rot90 atleast_1d atleast_2d atleast_3d broadcast_to "
            "broadcast_tensors meshgrid slice view_as_real view_as_complex real imag pad expand_copy adjoint "
            "slice_scatter add_batch_dim remove_batch_dim to_padded_tensor",
    "cast": "to type type_as float half double bfloat16 long int bool short char byte cpu cuda data detach clone "
            "requires_grad alias asarray as_tensor",
    "index": "getitem setitem index index_select gather take take_along_dim index_put index_add index_copy index_fill "
             "scatter scatter_add scatter_reduce topk sort argsort nonzero where masked_select unique "
             "unique_consecutive searchsorted bucketize one_hot bincount put index_reduce kthvalue argwhere copy msort",
    "size": "numel size shape",
    "mask": "masked_fill masked_scatter tril triu eq ne lt le gt ge logical_and logical_or logical_not logical_xor "
            "isin isinf isnan isfinite bitwise_and bitwise_or bitwise_not bitwise_xor not lshift rshift "
            "greater less greater_equal less_equal equal not_equal nan_to_num",
    "constant": "arange zeros ones full empty eye linspace logspace tensor zeros_like ones_like full_like empty_like "
                "new_zeros new_ones new_full new_empty new_tensor rand randn randint rand_like randn_like randint_like "
                "randperm uniform tril_indices triu_indices fill zero hann_window hamming_window from_numpy "
                "exponential vmap_increment_nesting vmap_decrement_nesting",
    "identity": "identity",
}

FUNCTIONS = {name: kind for kind, names in _FUNCTIONS.items() for name in names.split()}
"""Function names, as `canonical` spells them, to kinds.  The rest is ``math``."""

COMPOSITES: tuple[tuple[str, str, str], ...] = (
    # pattern on the name of a plain Python function, what it is called, its kind
    (r"\w*(attention_forward|dot_product_attention)|flex_attention", "scaled_dot_product_attention", "attention"),
    (r"_?apply_\w*rot(ary|emb)\w*|apply_rope\w*", "rotary", "math"),
    (r"_?(channel_shuffle|shuffle_channels?)", "channel_shuffle", "math"),
    (r"\w*(selective_scan|linear_attention|delta_rule|chunk_scan)\w*", "scan", "scan"),
)
"""Functions that a reader takes for one operation, whatever they do inside."""

_COMPOSITES = tuple((re.compile(f"(?:{pattern})$"), op, kind) for pattern, op, kind in COMPOSITES)

_DUNDER = {"truediv": "div", "floordiv": "floor_divide", "rtruediv": "div", "itruediv": "div", "radd": "add",
           "iadd": "add", "rsub": "sub", "isub": "sub", "rmul": "mul", "imul": "mul", "rpow": "pow", "ipow": "pow",
           "rmatmul": "matmul",
           "ifloordiv": "floor_divide", "rfloordiv": "floor_divide", "mod": "remainder", "rmod": "remainder",
           "iand": "and", "ior": "or", "rand": "and", "ror": "or", "ixor": "xor", "rxor": "xor", "pos": "identity"}
_SAME = {"multiply": "mul", "subtract": "sub", "rsub": "sub", "divide": "div", "true_divide": "div", "concat": "cat",
         "concatenate": "cat", "negative": "neg", "special_softmax": "softmax", "special_expit": "sigmoid",
         "absolute": "abs", "swapaxes": "transpose", "swapdims": "transpose", "moveaxis": "movedim", "clip": "clamp",
         "index_put_impl": "index_put", "native_dropout": "dropout", "arccos": "acos",
         "max_pool1d_with_indices": "max_pool1d",
         "max_pool2d_with_indices": "max_pool2d", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
         "invert": "bitwise_not", "greater": "gt", "less": "lt", "greater_equal": "ge", "less_equal": "le",
         "not_equal": "ne", "linalg_matmul": "matmul"}


@cache
def canonical(name: str) -> str:
    """One spelling for a function however it was called: ``__iadd__``, ``add_``, ``torch.add``, ``aten.add.Tensor`` →
    ``"add"``."""
    bare = name.partition(".")[0].strip("_")    # of an operator's overload
    if name.startswith("__") and name.endswith("__"):
        bare = _DUNDER.get(bare, bare)
    return _SAME.get(bare, bare)


@cache
def composite(function: str) -> tuple[str, str] | None:
    """The operation and its kind, if a Python function of this name is one to a reader."""
    return next(((op, kind) for pattern, op, kind in _COMPOSITES if pattern.match(function)), None)


def class_of(module: nn.Module) -> type[nn.Module]:
    """The class as its author wrote it, not the one that `parametrize` puts in front."""
    cls = type(module)
    if parametrize.is_parametrized(module) and cls.__bases__ and cls.__name__.startswith("Parametrized"):
        return cls.__bases__[0]
    return cls


def class_name(module: nn.Module) -> str:
    """What its author called it, also where it was scripted; of layers that were fused, what the first one is."""
    cls = class_of(module)
    if cls.__module__.startswith("torch.ao.nn.intrinsic"):
        return re.sub(r"(?<=[vr])(Bn|ReLU|LeakyReLU|Tanh|Add)+(?=$|\dd)", "", cls.__name__)    # ConvBnReLU2d
    return str(getattr(module, "original_name", "")) or cls.__name__


_WRAPPERS = re.compile(r"torch\.(nn\.parallel|optim|_dynamo|distributed)\.")


def unwrapped(module: nn.Module) -> nn.Module:
    """What a wrapper of PyTorch's calls (DataParallel, a compiled, averaged, sharded or checkpointed module): it adds
    nothing to what is computed."""
    while _WRAPPERS.match(class_of(module).__module__) and len(children := [*module.children()]) == 1:
        module = children[0]
    return module


def _torch_base(cls: type[nn.Module]) -> type[nn.Module] | None:
    """The nearest class among its bases that torch.nn defines as a layer."""
    bases = (base for base in cls.__mro__ if base is not nn.Module and issubclass(base, nn.Module))
    return next((base for base in bases if base.__module__.startswith(("torch.nn.", "torch.ao.nn"))
                 and not base.__module__.endswith(".container")), None)


_WHOLE = (nn.MultiheadAttention, nn.RNNBase, nn.RNNCellBase)


def is_leaf(module: nn.Module) -> bool:
    """Whether `module` is one operation to a reader, so that nothing inside it is recorded."""
    if isinstance(module, jit.ScriptModule):
        return True
    cls = class_of(module)
    base = _torch_base(cls)
    if base is not None and issubclass(base, _WHOLE):
        return cls.forward is base.forward
    if base is not None and base.__module__.startswith("torch.ao.nn.quantized"):
        return True     # what it holds are its packed weights
    if any(name != "parametrizations" for name, _ in module.named_children()):
        return False
    return base is not None or _COMPOSITE.match(cls.__name__) is not None


def kind_of(module: nn.Module) -> str:
    """The kind of a leaf module: by its class name, then by the names of its base classes."""
    if isinstance(module, jit.ScriptModule):
        return "opaque"
    for cls in class_of(module).__mro__:
        if cls is nn.Module:
            break
        name = cls.__name__
        if name in EXACT:
            return EXACT[name]
        for pattern, kind in _PATTERNS:
            if pattern.match(name):
                return kind
    return "opaque"


def kind_of_function(op: str) -> str:
    """The kind of a function by its canonical name, of an autograd function as of a layer; else ``math``."""
    known = (kind for pattern, kind in _PATTERNS if pattern.match(re.sub(r"(Auto)?(Function|Fn)$", "", op)))
    return FUNCTIONS.get(op) or (op[:1].isupper() and next(known, None)) or "math"
