"""A pure step recorded as a flat list of operations, and replayed without Python's transformations.

`grad` inside `grad` inside `vmap` handles every operation on several levels before any arithmetic is done. What
reaches the arithmetic is the same in every meta-step, so torch's `make_fx` writes that down, once, in a second or
two, and no compiler is needed. Nothing is fused or reordered: the numbers stay the same to the last bit.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from mlcourse.fast.arrays import leaves, tree_map

aten = torch.ops.aten
WAY_OUT = 'take capture="eager"'
RESHAPES = {aten.view.default, aten._unsafe_view.default}
TURNS = {aten.transpose.int, aten.t.default}
# Asked for as methods of a tensor these do the same, and Python gets to the arithmetic in half the time.
METHODS = {"view", "_unsafe_view", "expand", "transpose", "t", "permute", "unsqueeze", "squeeze", "mm", "bmm"}
METHODS |= {"add", "sub", "mul", "div", "neg", "pow", "sqrt", "rsqrt", "reciprocal", "exp", "log", "tanh", "relu"}
METHODS |= {"sum", "mean"}

# For torch's compiler, around our own compilation only. Of what it does by default these leave out what takes long
# and gains nothing here: trial programs for each kind of vector unit (the processor says what it has), torch's
# headers anew for each of forty kernels, line numbers for a debugger, the search for patterns. Five inner steps of
# a small network took 35 s without them and 14 s with them, on one core, and run as fast.
COMPILER = {"cpp.vec_isa_ok": True, "cpp_wrapper": True, "cpp_wrapper_build_separate": True}
COMPILER |= {"cpp_cache_precompile_headers": False, "aot_inductor.compile_wrapper_opt_level": "O0"}
COMPILER |= {"aot_inductor.enable_line_tables": False, "aot_inductor.enable_frame_pointer": False}
COMPILER |= {"pattern_matcher": False, "joint_graph_constant_folding": False}


class Recorded:
    """A step that is recorded at its first call and replayed from then on; `compiled`: as a program.

    `step` must be pure, as `capture.capture` says. Which parameters are frozen counts as it was when recorded. A
    step that cannot be recorded is a ValueError: one that asks for the value of a tensor, draws random numbers or
    writes over its arguments.
    """

    def __init__(self, step: Callable, *, compiled: bool = False):
        self.step, self.compiled = step, compiled
        self.module: fx.GraphModule | None = None
        self.replay: Callable | None = None
        self.arguments: Any = None  # of these shapes and dtypes; without numbers
        self.form: Any = None  # of the results

    def __call__(self, *arguments: Any) -> Any:
        if self.replay is None:
            self.record(arguments)
            if self.compiled:
                self.compile(arguments)
        given = leaves(tree_map(as_recorded, self.arguments, arguments))
        with torch.no_grad():
            results = iter(self.replay(*given))
        return tree_map(lambda _: next(results), self.form)

    def record(self, arguments: tuple) -> None:
        """Write down what the step does with these arguments."""
        module, self.form = trace(self.step, arguments)
        self.module = quickened(module)
        self.replay = self.module.forward
        self.arguments = tree_map(lambda leaf: torch.empty_like(leaf, device="meta"), arguments)

    def compile(self, arguments: tuple) -> None:
        """Replay what was recorded as one program from now on; ValueError when the compiler cannot make it."""
        self.replay = compiled(self.module, list(leaves(arguments)))


def compiled(module: fx.GraphModule, given: list[torch.Tensor]) -> Callable:
    """The recording as one program of a C++ compiler, its operations fused; ValueError when that fails."""
    import torch._inductor

    for node in module.graph.nodes:
        node.meta.clear()  # the shapes, which the compiler finds by itself, in a way of its own
    try:
        with torch.no_grad():
            return torch._inductor.compile(module, [leaf.detach() for leaf in given], options=COMPILER)
    except Exception as error:  # torch raises whatever its compiler raised
        raise ValueError(f"the step cannot be compiled: {in_one_line(error)}; {WAY_OUT}") from error


def in_one_line(error: Exception) -> str:
    """What a compiler's long complaint comes to."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "error:" in line), lines[0] if lines else type(error).__name__)[:160]


def as_recorded(place: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor:
    """`leaf`, which must have the shape and dtype of what stood in its place when the step was recorded."""
    if place.shape != leaf.shape or place.dtype != leaf.dtype:
        raise ValueError(
            f"the step was recorded for {place.dtype} of shape {tuple(place.shape)} and is now given "
            f"{leaf.dtype} of shape {tuple(leaf.shape)}; capture it anew for other shapes"
        )
    return leaf


def trace(step: Callable, arguments: tuple) -> tuple[fx.GraphModule, Any]:
    """What `step(*arguments)` asks of torch, as a function of the leaves, and the form of its results.

    The module takes the leaves of `arguments` one by one and gives a tuple of the leaves of the results.
    """
    form: Any = None

    def flat(*given: torch.Tensor) -> tuple:
        nonlocal form
        parts = iter(given)
        results = step(*tree_map(lambda _: next(parts), arguments))
        form = tree_map(lambda _: None, results)
        return tuple(leaves(results))

    given = [leaf.detach().requires_grad_(leaf.requires_grad) for leaf in leaves(arguments)]  # each its own tensor
    before = [leaf._version for leaf in given]
    module = _traced(flat, given)
    if [leaf._version for leaf in given] != before:
        raise ValueError(f"the step cannot be recorded: it writes over what it is given; {WAY_OUT}")
    for node in module.graph.nodes:
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise ValueError(f"the step cannot be recorded: {node.target} draws random numbers; {WAY_OUT}")
    return _without_repetitions(module), form


def _traced(flat: Callable, given: list[torch.Tensor]) -> fx.GraphModule:
    from torch.fx.experimental.proxy_tensor import make_fx  # takes a second to import

    try:
        return make_fx(flat)(*given)
    except ValueError:  # of the engine, in its own words
        raise
    except Exception as error:  # torch raises whatever went wrong inside
        raise ValueError(f"the step cannot be recorded: {in_one_line(error)}; {WAY_OUT}") from error


def _without_repetitions(module: fx.GraphModule) -> fx.GraphModule:
    """The same without what nobody needs, and with everything done once only."""
    from torch.fx.passes.dialect.common.cse_pass import CSEPass

    module.graph.eliminate_dead_code()
    if any(_writes(node) for node in module.graph.nodes):  # what was equal before need not be so after
        module.recompile()
        return module
    return CSEPass()(module).graph_module


def _writes(node: fx.Node) -> bool:
    """Whether it works in place: some second derivatives of torch do, on tensors of their own."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def quickened(module: fx.GraphModule) -> fx.GraphModule:
    """The same to the last bit, with less for Python to do: fewer views, and methods where torch has them."""
    _fold_views(module.graph)
    for node in module.graph.nodes:
        name = (
            node.target._schema.name.partition("::")[2] if isinstance(node.target, torch._ops.OpOverload) else ""
        )
        if name in METHODS and not node.kwargs and isinstance(node.args[0], fx.Node):
            node.op, node.target = "call_method", name.removeprefix("_unsafe_")
    module.recompile()
    return module


def _fold_views(graph: fx.Graph) -> None:
    for node in list(graph.nodes):
        source = node.args[0] if node.args and isinstance(node.args[0], fx.Node) else None
        if source is not None and node.op == "call_function":
            _fold(node, source)
    graph.eliminate_dead_code()


def _fold(node: fx.Node, source: fx.Node) -> None:
    """Leave out a view that changes nothing, a view of a view, and what is turned twice.

    Only where the layout in memory stays as it was, strides included: with others, products of matrices take
    other ways and round differently.
    """
    if node.target in TURNS and source.target is node.target and node.args[1:] == source.args[1:]:
        node.replace_all_uses_with(source.args[0])
    while node.target in RESHAPES and source.target in RESHAPES:
        base = source.args[0]
        if _layout(base.meta["val"].view(node.args[1])) != _layout(node.meta["val"]):
            break
        source = base
        node.args = (source, *node.args[1:])
    same = node.target in RESHAPES or node.target is aten.expand.default
    if same and _layout(node.meta["val"]) == _layout(source.meta["val"]):
        node.replace_all_uses_with(source)


def _layout(value: torch.Tensor) -> tuple:
    return value.shape, value.stride()
