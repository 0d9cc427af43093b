"""Attribution: archviz, captum, pytorch-grad-cam and zennit on the same models, against the floor, in one run.

usage: python benchmarks/attribution.py [--repeat N] [--device DEVICE] [--write FILE] [--rows NAME,…] [model...]

The floor of a method is what its passes cost without a library: the same number of forward and whole backward passes,
weights not frozen, at the batch size that is fastest for the model (which is looked for first).  Every ratio is
the median over interleaved repetitions in one process: floor, archviz, peer, floor, archviz, peer …, so that what
else the machine does meets all alike; on one thread, of processor time.  archviz is called as a user calls it,
`archviz.explain`; the peers get their cheapest documented way, at the floor's batch size where they take one.  A peer
whose rules need modules gets a copy of the model whose ReLUs are not in place.  Memory is the peak above a built
model, each job in a process of its own (on a GPU: of PyTorch's allocator).
"""
from __future__ import annotations

import argparse
import copy
import gc
import json
import os
import platform
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import tests.peers  # noqa: E402, F401  # which the others import torchvision through

PACKAGES = ("torch", "torchvision", "transformers", "captum", "grad-cam", "zennit")
STEPS = 16
Job = Callable[[], Any]


# ---------------------------------------------------------------------------------------------- models

class Logits(nn.Module):
    """A model of transformers as captum takes it: what it returns are the logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        found = self.model(x).logits
        return found if found.dim() == 2 else found[:, -1]


@dataclass(frozen=True)
class Model:
    """A model, its input, and where the peers find what they need to be told.

    layer     the name of the module whose output Grad-CAM is taken at
    embedding the module that reads the tokens, of a text model
    """

    build: Callable[[], nn.Module]
    x: Callable[[], Tensor]
    layer: str
    embedding: Callable[[nn.Module], nn.Module] | None = None


def _torchvision(name: str, **options: Any) -> nn.Module:
    import torchvision.models
    return getattr(torchvision.models, name)(**options)  # type: ignore[no-any-return]


def _bert() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification
    return Logits(BertForSequenceClassification(BertConfig(
        hidden_size=512, num_hidden_layers=4, num_attention_heads=8, intermediate_size=2048)))


def _vit() -> nn.Module:
    from torchvision.models import VisionTransformer
    return VisionTransformer(224, 16, 12, 6, 384, 1536)


def image() -> Tensor:
    return torch.randn(1, 3, 224, 224)


MODELS: dict[str, Model] = {
    "ResNet-18": Model(lambda: _torchvision("resnet18"), image, "layer4"),
    "VGG-16": Model(lambda: _torchvision("vgg16"), image, "features.29"),
    "ViT-S/16": Model(_vit, image, "encoder.layers.encoder_layer_11.ln_1"),
    "BERT-small": Model(_bert, lambda: torch.randint(1000, 30000, (1, 128)),
                        "model.bert.encoder.layer.2.output.LayerNorm",
                        lambda m: m.model.bert.embeddings.word_embeddings),
}
CONVOLUTIONAL = ("ResNet-18", "VGG-16")


@dataclass
class Case:
    """A model that is built, ready to be measured."""

    name: str
    model: nn.Module
    x: Tensor
    batch: int = 1

    @property
    def known(self) -> Model:
        return MODELS[self.name]

    def top(self) -> Tensor:
        with torch.no_grad():
            return self.model(self.x).argmax(1)

    def plain(self) -> nn.Module:
        """A copy whose ReLUs are not in place, which hooks of modules need."""
        model = copy.deepcopy(self.model)
        for module in model.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False
        return model


# ---------------------------------------------------------------------------------------------- the floor

def passes(case: Case, rows: int, backward: bool = True) -> Job:
    """`rows` forward and, each, a whole backward pass, at the best batch size: weights take gradients, too."""
    model, whole = case.model, [case.batch] * (rows // case.batch) + ([rows % case.batch] if rows % case.batch else [])
    stacks = {size: case.x.expand(size, *case.x.shape[1:]).contiguous() for size in set(whole)}

    def job() -> None:
        for size in whole:
            x = stacks[size]
            if not backward:
                with torch.no_grad():
                    model(x)
                continue
            x = x.clone().requires_grad_() if x.is_floating_point() else x
            model(x)[:, 0].sum().backward()
            model.zero_grad(set_to_none=True)
    return job


def best_batch(case: Case, most: int) -> int:
    """The batch size at which a row costs least."""
    costs: dict[int, float] = {}
    for size in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        if size > most:
            break
        case.batch = size
        job = passes(case, size)
        costs[size] = min(clock(job) for _ in range(2)) / size
        if costs[size] > 1.3 * min(costs.values()):
            break
    return min(costs, key=lambda size: costs[size])


# ---------------------------------------------------------------------------------------------- the rows

def ours(case: Case, method: Any, **options: Any) -> Job:
    """archviz, as a user calls it."""
    import archviz
    return lambda: archviz.explain(case.model, case.x, method=method, **options)


def captum(case: Case, name: str, **options: Any) -> Job:
    """captum, on the input or on what the embedding gives."""
    import captum.attr as attr
    model, embedding, top = case.model, case.known.embedding, case.top()
    if embedding is None:
        method = getattr(attr, name)(model)
        return lambda: method.attribute(case.x, target=top, **options)
    layer = {"Saliency": "LayerGradientXActivation", "InputXGradient": "LayerGradientXActivation",
             "IntegratedGradients": "LayerIntegratedGradients"}[name]
    method = getattr(attr, layer)(model, embedding(model))
    if name == "IntegratedGradients":
        options["baselines"] = torch.zeros_like(case.x)
    return lambda: method.attribute(case.x, target=top, **options)


def captum_rule(case: Case, name: str) -> Job:
    import captum.attr as attr
    method, top = getattr(attr, name)(case.plain()), case.top()
    return lambda: method.attribute(case.x, target=top)


def captum_smooth(case: Case, **options: Any) -> Job:
    import captum.attr as attr
    method, top = attr.NoiseTunnel(attr.Saliency(case.model)), case.top()
    return lambda: method.attribute(case.x, target=top, nt_samples=STEPS, nt_samples_batch_size=case.batch, stdevs=0.5,
                                    abs=False)


def captum_gradcam(case: Case) -> Job:
    import captum.attr as attr
    method, top = attr.LayerGradCam(case.model, case.model.get_submodule(case.known.layer)), case.top()
    if case.name in CONVOLUTIONAL:
        return lambda: attr.LayerAttribution.interpolate(method.attribute(case.x, target=top), case.x.shape[2:])
    return lambda: method.attribute(case.x, target=top, attr_dim_summation=False)


def grad_cam(case: Case, every: bool = False) -> Job:
    """pytorch-grad-cam at the layer, or at every convolution and rectifier (a copy: it changes what it is given)."""
    from pytorch_grad_cam import GradCAM
    model = case.plain()
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.ReLU))] if every else [
        model.get_submodule(case.known.layer)]
    fold = None if case.name in CONVOLUTIONAL else lambda t: t[:, 1:].unflatten(1, (14, 14)).movedim(-1, 1)
    method = GradCAM(model, layers, reshape_transform=fold)
    return lambda: method(case.x, None)


def grad_cam_guided(case: Case) -> Job:
    from pytorch_grad_cam import GuidedBackpropReLUModel
    method, top = GuidedBackpropReLUModel(case.plain(), case.x.device), int(case.top())
    return lambda: method(case.x, target_category=top)


def zennit(case: Case, name: str, **options: Any) -> Job:
    from zennit import attribution
    from zennit.composites import COMPOSITES
    model, top = case.plain(), case.top()
    out = nn.functional.one_hot(top, model(case.x).shape[1]).to(case.x.dtype)
    rules = {"guided": "guided_backprop", "deconvnet": "deconvnet"}
    if name in rules:
        method = attribution.Gradient(model, composite=COMPOSITES[rules[name]]())
    else:
        method = getattr(attribution, name)(model, **options)

    def job() -> Any:
        with method as attributor:
            return attributor(case.x, out)
    return job


def zennit_rules(case: Case, name: str, **options: Any) -> Job:
    """zennit's LRP, its sums and batch norms made into what it has rules for where it has a way to."""
    from zennit import attribution, canonizers, composites, torchvision
    model, top = case.plain(), case.top()
    out = nn.functional.one_hot(top, model(case.x).shape[1]).to(case.x.dtype)
    canon = torchvision.ResNetCanonizer() if "ResNet" in case.name else canonizers.SequentialMergeBatchNorm()
    composite = getattr(composites, name)(canonizers=[canon], **options)

    def job() -> Any:
        with attribution.Gradient(model, composite=composite) as attributor:
            return attributor(case.x, out)
    return job


def captum_lrp(case: Case) -> Job:
    """captum's LRP: ε for every layer."""
    return captum_rule(case, "LRP")


def lrp_row(title: str, composite: str, peer: str, **options: Any) -> Row:
    peers: dict[str, Callable[[Case], Job]] = {"zennit": lambda case: zennit_rules(case, peer, **options)}
    return Row(title, 1.3, lambda case: passes(case, 1), lambda case: ours(case, "lrp", composite=composite, **options),
               peers, CONVOLUTIONAL)


WINDOW = 32


def windows(stride: int) -> int:
    """How many windows there are on an image of 224 × 224."""
    return ((224 - WINDOW) // stride + 1) ** 2


def captum_occlusion(case: Case, stride: int) -> Job:
    import captum.attr as attr
    method, top = attr.Occlusion(case.model), case.top()
    return lambda: method.attribute(case.x, (3, WINDOW, WINDOW), (3, stride, stride), target=top,
                                    perturbations_per_eval=case.batch)


def zennit_occlusion(case: Case, stride: int) -> Job:
    """Each window by itself, which is all it offers; those that wrap round at the border included."""
    from zennit.attribution import Occlusion
    method = Occlusion(case.model, occlusion_fn=lambda x, mask: x * ~mask, window=(WINDOW, WINDOW),
                       stride=(stride, stride))
    return lambda: method(case.x, None)


TOGETHER = ("saliency", "gradient_input", "gradcam", "guided")


def together(case: Case, *jobs: Job) -> Job:
    def job() -> None:
        for one in jobs:
            one()
    return job


@dataclass(frozen=True)
class Row:
    """One method on some models.

    target    the ratio to the floor that it is to stay within
    floor     a case → what its passes cost without a library
    ours      a case → the same by archviz
    peers     a library → the same by it
    most      repetitions, of a row that takes long; with 1 there is no first run to warm up, and no memory is measured
    """

    name: str
    target: float
    floor: Callable[[Case], Job]
    ours: Callable[[Case], Job]
    peers: Mapping[str, Callable[[Case], Job]] = field(default_factory=dict)
    models: Sequence[str] = tuple(MODELS)
    most: int = 100


def occlusion(stride: int, name: str, target: float, most: int) -> Row:
    """Exact occlusion; its floor are all windows through the whole model, forward only."""
    return Row(f"occlusion of {WINDOW}×{WINDOW} at stride {stride}", target,
               lambda case: passes(case, windows(stride), backward=False),
               lambda case: ours(case, "occlusion", window=WINDOW, stride=stride, fill=0.0),
               {"captum": lambda case: captum_occlusion(case, stride),
                "zennit": lambda case: zennit_occlusion(case, stride)}, (name,), most)


IMAGES = ("ResNet-18", "VGG-16", "ViT-S/16")

ROWS: list[Row] = [
    Row("saliency", 0.8, lambda case: passes(case, 1), lambda case: ours(case, "saliency"),
        {"captum": lambda case: captum(case, "Saliency"),
         "zennit": lambda case: zennit(case, "Gradient")}, IMAGES),
    Row("saliency of tokens", 0.8, lambda case: passes(case, 1), lambda case: ours(case, "saliency"),
        {"captum": lambda case: captum(case, "Saliency")}, ("BERT-small",)),
    Row("gradient × input", 0.8, lambda case: passes(case, 1), lambda case: ours(case, "gradient_input"),
        {"captum": lambda case: captum(case, "InputXGradient")}),
    Row("Grad-CAM at a layer that is named", 0.8, lambda case: passes(case, 1),
        lambda case: ours(case, "gradcam", nodes=case.known.layer),
        {"captum": captum_gradcam, "pytorch-grad-cam": grad_cam}, IMAGES),
    Row("Grad-CAM, the layer found", 0.8, lambda case: passes(case, 1), lambda case: ours(case, "gradcam"),
        models=IMAGES),
    Row("guided backpropagation", 1.0, lambda case: passes(case, 1), lambda case: ours(case, "guided"),
        {"captum": lambda case: captum_rule(case, "GuidedBackprop"), "pytorch-grad-cam": grad_cam_guided,
         "zennit": lambda case: zennit(case, "guided")}, CONVOLUTIONAL),
    Row("deconvnet", 1.0, lambda case: passes(case, 1), lambda case: ours(case, "deconvnet"),
        {"captum": lambda case: captum_rule(case, "Deconvolution"),
         "zennit": lambda case: zennit(case, "deconvnet")}, CONVOLUTIONAL),
    Row(f"integrated gradients, {STEPS} steps", 1.0, lambda case: passes(case, STEPS),
        lambda case: ours(case, "ig", steps=STEPS),
        {"captum": lambda case: captum(case, "IntegratedGradients", n_steps=STEPS, internal_batch_size=case.batch),
         "zennit": lambda case: zennit(case, "IntegratedGradients", n_iter=STEPS)}, ("ResNet-18", "ViT-S/16")),
    Row(f"integrated gradients of tokens, {STEPS} steps", 1.0, lambda case: passes(case, STEPS),
        lambda case: ours(case, "ig", steps=STEPS),
        {"captum": lambda case: captum(case, "IntegratedGradients", n_steps=STEPS, internal_batch_size=case.batch)},
        ("BERT-small",)),
    Row(f"SmoothGrad, {STEPS} copies", 1.0, lambda case: passes(case, STEPS),
        lambda case: ours(case, "smoothgrad", samples=STEPS),
        {"captum": captum_smooth, "zennit": lambda case: zennit(case, "SmoothGrad", n_iter=STEPS)},
        ("ResNet-18", "ViT-S/16")),
    Row("saliency + gradient × input + Grad-CAM at every layer + guided", 2.2, lambda case: passes(case, 1),
        lambda case: ours(case, TOGETHER, nodes="*"),
        {"captum and pytorch-grad-cam": lambda case: together(
            case, captum(case, "Saliency"), captum(case, "InputXGradient"), grad_cam(case, every=True),
            captum_rule(case, "GuidedBackprop"))}, CONVOLUTIONAL),
    Row("LRP, ε", 1.3, lambda case: passes(case, 1), lambda case: ours(case, "lrp", composite="epsilon"),
        {"captum": captum_lrp}, CONVOLUTIONAL),
    Row("LRP, ε", 1.3, lambda case: passes(case, 1), lambda case: ours(case, "lrp", composite="epsilon"),
        models=("ViT-S/16", "BERT-small")),
    lrp_row("LRP, ε with z⁺ and flat", "epsilon-plus-flat", "EpsilonPlusFlat"),
    lrp_row("LRP, ε with α2β1 and flat", "epsilon-alpha2beta1-flat", "EpsilonAlpha2Beta1Flat"),
    lrp_row("LRP, ε with γ and the box", "epsilon-gamma-box", "EpsilonGammaBox", low=-4.0, high=4.0),
    *(occlusion(stride, name, target, most)
      for name, target, most in (("ResNet-18", 0.4, 3), ("VGG-16", 0.2, 1)) for stride in (16, 8)),
]
"""What is measured.  Another family of methods adds its rows here: a floor, ours, and the peers'."""


# ---------------------------------------------------------------------------------------------- measuring

def clock(job: Job) -> float:
    """Seconds; on a single thread of a processor those that it worked, which others' work hardly changes."""
    if torch.get_num_threads() == 1 and not torch.cuda.is_available():
        start = time.process_time()
        job()
        return time.process_time() - start
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    job()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


@dataclass
class Found:
    """Of each job (``floor``, ``archviz``, the peers): seconds, archviz's time over its own, peak MiB, or why there is
    none."""

    seconds: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def inside(work: Callable[[], Any]) -> Any:
    """What `work` gives, in a forked process; None where that dies.  Nothing has run in this one, whose threads a fork
    would lose."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        with os.fdopen(write, "w") as pipe:
            json.dump(work(), pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return json.loads(told) if told else None


def built(name: str, device: str, batch: int = 1) -> Case:
    torch.manual_seed(0)
    return Case(name, MODELS[name].build().eval().to(device), MODELS[name].x().to(device), batch)


def jobs(row: Row, case: Case) -> dict[str, Callable[[Case], Job]]:
    return {"floor": row.floor, "archviz": row.ours, **row.peers}


def timed(row: Row, name: str, device: str, batch: int, repeat: int) -> dict[str, Any]:
    """Medians of interleaved repetitions, and errors."""
    case = built(name, device, batch)
    found, ready = Found(), {}
    for tool, make in jobs(row, case).items():
        try:
            ready[tool] = make(case)
            if row.most > 1:
                ready[tool]()
        except Exception as error:
            ready.pop(tool, None)
            found.errors[tool] = f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
    runs: dict[str, list[float]] = {tool: [] for tool in ready}
    for _ in range(min(repeat, row.most)):
        for tool, job in ready.items():
            gc.collect()
            runs[tool].append(clock(job))
    found.seconds = {tool: statistics.median(times) for tool, times in runs.items()}
    found.ratios = {tool: statistics.median(own / other for own, other in zip(runs["archviz"], times, strict=True))
                    for tool, times in runs.items() if "archviz" in runs}
    return vars(found)


def weighed(row: Row, name: str, device: str, batch: int, tool: str) -> float | None:
    """Peak MiB of one job above the built model."""
    case = built(name, device, batch)
    try:
        if device == "cpu":
            with torch.no_grad():
                case.model(case.x)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            jobs(row, case)[tool](case)()
            return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
        job = jobs(row, case)[tool](case)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        job()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    except Exception:
        return None


def measure(row: Row, name: str, device: str, batch: int, repeat: int) -> Found:
    told = inside(lambda: timed(row, name, device, batch, repeat))
    found = Found(**told) if told else Found(errors={"archviz": "crashed"})
    for tool in found.seconds if row.most > 1 else ():
        memory = inside(lambda tool=tool: weighed(row, name, device, batch, tool))  # type: ignore[misc]
        if memory is not None:
            found.memory[tool] = memory
    return found


# ---------------------------------------------------------------------------------------------- the report

def cells(row: Row, found: Found) -> list[str]:
    """To the floor, to each peer, and the memory of each."""
    if "floor" not in found.ratios:
        return [found.errors.get("archviz", "–"), str(row.target), "–", "–"]
    ratio = found.ratios["floor"]
    peers = [f"{tool} **{found.ratios[tool]:.2f}**" if tool in found.ratios else
             f"{tool} – ({found.errors.get(tool, 'crashed')})" for tool in row.peers]
    memory = [f"{tool} {found.memory[tool]:.0f}" for tool in ("archviz", "floor", *row.peers) if tool in found.memory]
    return [f"**{ratio:.2f}**" + ("" if ratio <= row.target else " ✗"), str(row.target), ", ".join(peers) or "–",
            ", ".join(memory)]


def report(rows: list[tuple[Row, str, Found]], batches: Mapping[str, int], device: str, repeat: int) -> str:
    where = f"CPU, {torch.get_num_threads()} threads, {platform.machine()}" if device == "cpu" else \
        torch.cuda.get_device_name()
    lines = ["# Attribution", "", *(line.strip() for line in (__doc__ or "").strip().splitlines()[4:]), "",
             f"{where}; Python {platform.python_version()}; "
             + ", ".join(f"{name} {version(name)}" for name in PACKAGES)
             + f"; {repeat} repetitions; {time.strftime('%Y-%m-%d', time.gmtime())}.  The best batch size: "
             + ", ".join(f"{name} {size}" for name, size in batches.items()) + ".", "",
             "| method | model | time ÷ floor | target | time ÷ peer | seconds | peak MiB |",
             "|---|---|---|---|---|---|---|"]
    for row, name, found in rows:
        ratio, target, peers, memory = cells(row, found)
        seconds = f"{found.seconds['archviz']:.2f}" if "archviz" in found.seconds else "–"
        lines.append(f"| {row.name} | {name} | {ratio} | {target} | {peers} | {seconds} | {memory} |")
    met = [found.ratios["floor"] <= row.target for row, _, found in rows if "floor" in found.ratios]
    beaten = [found.ratios[tool] < 1 for row, _, found in rows for tool in row.peers if tool in found.ratios]
    return "\n".join([*lines, "", f"- Within the target on {sum(met)} of {len(rows)} rows.",
                      f"- Ahead of the peer in {sum(beaten)} of {len(beaten)} comparisons."]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help=f"(default: {', '.join(MODELS)})")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions, whose median counts (default: 5)")
    parser.add_argument("--rows", default="", help="parts of the names of rows, by commas")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="of PyTorch on a processor: 1 where others use the other cores")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    names = options.models or list(MODELS)
    if unknown := sorted(set(names) - set(MODELS)):
        parser.error(f"no model called {', '.join(unknown)}; known: {', '.join(MODELS)}")
    wanted = [row for row in ROWS if any(part in row.name for part in options.rows.split(","))]
    most = 16 if options.device == "cpu" else 256
    batches: dict[str, int] = {}
    rows: list[tuple[Row, str, Found]] = []
    warnings.simplefilter("ignore")
    for name in names:
        batches[name] = inside(lambda name=name: best_batch(built(name, options.device), most)) or 1  # type: ignore[misc]
        for row in wanted:
            if name in row.models:
                rows.append((row, name, measure(row, name, options.device, batches[name], options.repeat)))
                print(row.name, name, *cells(*rows[-1][::2]), sep=" | ", file=sys.stderr, flush=True)
                if options.write:       # after each row, as the whole takes minutes
                    options.write.write_text(report(rows, batches, options.device, options.repeat))
    print(report(rows, batches, options.device, options.repeat))
    return 0


if __name__ == "__main__":
    sys.exit(main())
