"""Parts of a model in words: "four stages of 3, 4, 6 and 3 bottleneck blocks with 256, 512, 1024 and 2048 channels".

In: `Part`s in trace order.  Out: phrases for a sentence.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from archviz.core import text
from archviz.core.naming import CONTAINERS
from archviz.figure.caption.parts import UNCOUNTED, Part, alike, opened, plural

MOST = 9            # parts in one sentence; beyond, equal ones are counted together, then the lightest go
PERIOD = 4          # parts of a round that is gone through several times
UNITS = ("block", "layer", "stage", "unit", "cell", "module", "group", "level")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
Run = tuple[Part, ...]


def told_apart(parts: Sequence[Part]) -> Run:
    """Those of one class that are not all alike go by their attribute's name: an encoder and a decoder; those that are
    are blocks."""
    def named(part: Part) -> Part:
        twins = [other for other in parts if other.inside and other.cls == part.cls and other is not part]
        if not part.inside or part.named or not twins:
            return part
        if any(not alike(one, other) for one in (*twins, part) for other in (*twins, part)):
            one = text.pretty(next((word for word in reversed(part.path.split(".")) if not word.isdigit()), part.path))
        elif all(part.path != other.path for other in twins):
            one = _block(part, 1) if part.cls not in CONTAINERS else part.one
        else:
            one = part.one
        return replace(part, one=one, many=plural(one))
    return tuple(map(named, parts))


def phrases(parts: Sequence[Part]) -> list[str]:
    """What `parts` are, in their order, each phrase with its article."""
    runs = _told(parts)
    if len(runs) > MOST:
        runs = _joined(runs, lambda part: part.one)
    if len(runs) > MOST:
        runs = _joined(runs, lambda part: part.cls or part.one)
    if len(runs) > MOST:
        heavy = sorted(range(len(runs)), key=lambda i: (-sum(part.size for part in runs[i]), i))[:MOST]
        return [*(_run(runs[i]) for i in sorted(heavy)), "other layers"]
    return [_run(run) for run in runs]


def counted(parts: Sequence[Part]) -> list[str]:
    """What `parts` are, whatever follows which: equal ones together."""
    kept = [part for part in parts if part.kinds != ("cat",) or part.whole] or parts
    runs = _joined(_runs(kept), lambda part: part.one)
    if len(runs) > MOST:
        runs = _joined(runs, lambda part: part.cls or part.one)
    return [*map(_run, runs[:MOST]), *(["other layers"] if len(runs) > MOST else [])]


def loose(parts: Sequence[Part]) -> bool:
    """Whether there are so many of them that `phrases` counts together what does not stand together."""
    return len(_told(parts)) > MOST


def _told(parts: Sequence[Part]) -> list[Run]:
    runs = _rounds(_runs(_trains(parts)))
    return [run for run in runs if run[0].whole or run[0].one != "concatenation"] or runs    # of tokens, mostly


def _runs(parts: Sequence[Part]) -> list[Run]:
    """Neighbours that are alike, together; leaves that are called the same, too."""
    runs: list[Run] = []
    for part in parts:
        last = runs[-1][-1] if runs else None
        plain = last and not part.inside and not last.inside and last.one == part.one and not part.whole
        if last and (alike(last, part) and last.one == part.one or plain):
            runs[-1] = (*runs[-1], part)
        else:
            runs.append((part,))
    return runs


def _joined(runs: Iterable[Run], key: Callable[[Part], str]) -> list[Run]:
    """Runs of the same key counted together, where the first one stands."""
    joined: dict[str, Run] = {}
    for run in runs:
        joined[key(run[0])] = (*joined.get(key(run[0]), ()), *run)
    return [tuple(_without_numbers(run)) for run in joined.values()]


def _without_numbers(run: Run) -> Iterable[Part]:
    """Leaves of one class but of different sizes lose the size: "convolutions"."""
    if len({part.one for part in run}) == 1:
        return run
    one, many = (re.sub(r"^\d[\d×]*(-wide)? ", "", noun) for noun in (run[0].one, run[0].many))
    return (replace(part, one=one, many=many) for part in run)


def _trains(parts: Sequence[Part]) -> list[Part]:
    """Convolutions with pooling between them as one phrase, as the layers of a plain network are told."""
    kept: list[Part] = []
    for plain, group in groupby(parts, _plain):
        row = list(group)
        convs = [part for part in row if part.kinds == ("conv",)]
        pools = {part.one for part in row if part not in convs}
        is_train = plain and row[0] in convs and len(convs) >= 3 and len(row) - len(convs) >= 2 and len(pools) == 1
        kept += [replace(row[0], one=_train(row, convs), whole=True, size=len(row))] if is_train else row
    return kept


def _plain(part: Part) -> bool:
    return part.kinds in (("conv",), ("pool",)) and not part.inside and "global" not in part.one


def _train(row: Sequence[Part], convs: Sequence[Part]) -> str:
    """``five convolutions with 96, … filters (11×11, 5×5, then 3×3), the first, second and last followed by …``"""
    pool = next(part.one for part in row if part.kinds == ("pool",))
    before = [i + 1 for i, part in enumerate(convs) if (at := row.index(part)) + 1 < len(row)
              and row[at + 1].kinds == ("pool",)]
    which = "each" if len(before) == len(convs) else "the " + listed(
        ["last" if i == len(convs) else ORDINALS[i] if i < len(ORDINALS) else f"{i}th" for i in before])
    kernels = [part.one.removesuffix(" convolution") for part in convs]
    filters = _sizes([_wide(part) for part in convs], "filter")
    if len(set(kernels)) == 1:
        return f"{number(len(convs))} {convs[0].many}{filters} ({which} followed by {pool})"
    first = [k for i, k in enumerate(kernels) if i == 0 or len(set(kernels[i - 1:])) > 1]
    rest = f"{', '.join(first[:-1])}, then {first[-1]}" if len(first) > 1 else first[0]
    return f"{number(len(convs))} convolutions{filters} ({rest}; {which} followed by {pool})"


def _rounds(runs: list[Run]) -> list[Run]:
    """Runs in which a few parts take turns several times, as one phrase for all the rounds."""
    merged: list[Run] = []
    at = 0
    while at < len(runs):
        rounds_of = [(_times(runs, at, period), period) for period in range(2, PERIOD + 1)]
        times, period = max(rounds_of, key=lambda each: each[0] * each[1] if each[0] > 1 else 0)
        if times > 1 and merged and merged[-1][0].whole and _times(runs, at + 1, period) == times:
            merged.append(runs[at])      # it stands between the rounds before and those after it
            at += 1
        if times > 1 and any(run[0].one.split(" ")[-1] not in UNCOUNTED for run in runs[at:at + period]):
            rounds = [[runs[at + t * period + i] for t in range(times)] for i in range(period)]
            one = f"{number(times)} rounds of {listed([_turn(turns) for turns in rounds])}"
            size = sum(part.size for turns in rounds for run in turns for part in run)
            merged.append((replace(rounds[0][0][0], one=one, whole=True, size=size, inside=()),))
            at += times * period
        else:
            merged.append(runs[at])
            at += 1
    return merged


def _times(runs: Sequence[Run], at: int, period: int) -> int:
    """How often the `period` runs at `at` come one after the other."""
    keys = [(run[0].cls if run[0].inside else "", run[0].one, len(run)) for run in runs[at:]]
    times = 1
    while len(keys) >= (times + 1) * period and keys[:period] == keys[times * period:(times + 1) * period]:
        times += 1
    return times


def _turn(turns: Sequence[Run]) -> str:
    """What stands at one place of every round, with the sizes it has in turn."""
    if len(turns[0]) > 1:
        return f"{number(len(turns[0]))} {turns[0][0].many}"
    every = [run[0] for run in turns]
    blocks = [_main(part) for part in every]
    if all(len(block) > 1 for block in blocks):
        counts = listed([str(len(block)) for block in blocks])
        every_block = [part for block in blocks for part in block]
        return f"{with_article(every[0].one)} of {counts} {_block(every_block[0], 2)}{_contents(every_block)}"
    bare = with_article(_block(every[0], 1)) + _contents(every) if every[0].inside else with_article(every[0].one)
    if every[0].inside:
        return bare + _sizes([part.channels for part in every], "channel")
    what = {"conv": "filter", "upconv": "filter", "linear": "output"}.get(every[0].kinds[0])
    return bare + (_sizes([_wide(part) for part in every], what) if what else "")


def _run(run: Run) -> str:
    """One phrase: "a 7×7 convolution", "four stages of 3, 4, 6 and 3 bottleneck blocks (…)"."""
    first = run[0]
    if first.whole:
        return first.one
    if not first.inside:
        return _leaves(run)
    blocks = [_main(part) for part in run]
    if len(run) == 1:
        return _one(first, blocks[0])
    if all(blocks) and any(len(block) > 1 for block in blocks):
        return _stages(run, blocks)
    return f"{number(len(run))} {_block(first, len(run))}{_width(run)}{_contents(run)}"


def _stages(run: Run, blocks: Sequence[Run]) -> str:
    """Parts that hold numbered blocks: how many each, and what is in these."""
    counts = [len(block) for block in blocks]
    equal = len(set(counts)) == 1
    count = number(counts[0]) if equal else listed(list(map(str, counts)))
    every = [part for block in blocks for part in block]
    widths = _sizes([part.channels for part in run], "channel")
    each = " each" if equal else ""
    return (f"{number(len(run))} stages of {count} {_block(blocks[-1][0], 2)}{each}{_contents(every)}"
            f"{widths.removesuffix(each)}")


def _one(part: Part, blocks: Run) -> str:
    """A part by itself: an encoder, and the blocks that make up most of it."""
    if len(blocks) > 1:
        names = [block.one.removeprefix(f"{part.one} ") for block in blocks]    # "layer" for an encoder's encoder layer
        inside = tuple(replace(block, one=name, many=plural(name)) for block, name in zip(blocks, names, strict=True))
        return f"{with_article(part.one)} of {_run(inside)}"
    wide = _width((part,)) if part.out is not None and set(part.out.axes) & set("HWD") else ""
    return f"{with_article(part.one)}{wide}{_contents((part,))}"


def _leaves(run: Run) -> str:
    """Layers that are called the same, with what each of them gives."""
    noun = with_article(run[0].one) if len(run) == 1 else f"{number(len(run))} {run[0].many}"
    what = {"conv": "filter", "upconv": "filter", "linear": "output", "recurrent": "unit"}.get(run[0].kinds[0])
    if run[0].kinds == ("embedding",):
        widths = {_wide(part) for part in run}
        return f"{noun} of width {widths.pop()}" if len(widths) == 1 and None not in widths else noun
    return noun + (_sizes([_wide(part) for part in run], what) if what else "")


def _wide(part: Part) -> int | None:
    """How many filters, outputs or units a layer has, as its module says."""
    attrs = part.nodes[0].attrs
    names = ("out_channels", "out_features", "hidden_size", "embedding_dim")
    width = next((attrs[name] for name in names if isinstance(attrs.get(name), int)), None)
    return width if width is not None else part.channels


def _sizes(values: Sequence[int | None], noun: str) -> str:
    """``with 64, 128 and 256 channels``; ``with 64 filters each``; nothing where one is not known."""
    sizes = [value for value in values if value]
    if not sizes or len(sizes) != len(values):
        return ""
    if len(set(sizes)) == 1:
        each = " each" if len(sizes) > 1 else ""
        return f" with {sizes[0]} {noun}{'s' if sizes[0] != 1 else ''}{each}"
    if len(sizes) <= 6:
        return f" with {listed(list(map(str, sizes)))} {noun}s"
    return f" with {min(sizes)} to {max(sizes)} {noun}s"


def _width(run: Run) -> str:
    """The width of blocks that all have one: of tokens ``of width 768``, of maps ``with 64 channels``."""
    spec = run[-1].out
    channels = [part.channels for part in run]
    if spec is None or None in channels:
        return ""
    if set(spec.axes) & set("HWD"):
        return _sizes(channels, "channel")
    return f" of width {channels[0]}" if len(set(channels)) == 1 else ""


def _main(part: Part) -> Run:
    """The run of numbered modules that makes up most of `part`, if there is one."""
    runs = [run for run in _runs(opened(part.inside)) if run[0].inside and run[0].path[-1:].isdigit()]
    heaviest = max(runs, key=lambda run: sum(p.size for p in run), default=())
    return heaviest if sum(p.size for p in heaviest) >= 0.6 * part.size else ()


def _block(part: Part, count: int) -> str:
    noun = part.one if part.cls not in CONTAINERS else "block"
    if noun.split()[-1] not in UNITS:
        noun += " block"
    return noun if count == 1 else plural(noun)


def _contents(blocks: Sequence[Part]) -> str:
    """What each of `blocks` holds, in parentheses, when that can be said in a few words and of all of them."""
    contents = [_held(part) for part in blocks]
    if len(set(contents)) == 1:
        return f" ({contents[0]})" if contents[0] else ""
    common = max(set(contents), key=lambda words: (contents.count(words), words))
    if contents.count(common) > len(contents) / 2 and len(contents) > 5:        # the first of a stage may do more
        return f" ({common})" if common else ""
    return _convolutions(blocks) if len(blocks) <= 6 else ""


def _convolutions(blocks: Sequence[Part]) -> str:
    """How many equal convolutions each of `blocks` holds, where that is all there is but for pooling."""
    convs = [[p for p in part.inside if p.kinds == ("conv",)] for part in blocks]
    pools = [[p for p in part.inside if p.kinds == ("pool",)] for part in blocks]
    kernels = {p.one for each in convs for p in each}
    plain = all(len(c) + len(p) == len(part.inside) for c, p, part in zip(convs, pools, blocks, strict=True))
    if not plain or len(kernels) != 1:
        return ""
    many = f"{listed([number(len(each)) for each in convs])} {convs[0][0].many}"
    return f" ({many}, each time followed by {pools[0][0].one})" if all(pools) else f" ({many})"


def _held(part: Part) -> str:
    """What one block holds, in a few words; nothing where it takes more."""
    runs = _runs(_mixers(part.inside))
    convs = [run for run in runs if run[0].kinds and set(run[0].kinds) <= {"conv"} and not run[0].inside]
    if runs and len(convs) == len(runs) and 1 < sum(map(len, convs)) <= 4:
        kernels = [p.one.removesuffix(" convolution") for run in convs for p in run]
        if len(set(kernels)) == 1:
            return f"{number(len(kernels))} {convs[0][0].many}"
        return f"{listed(kernels)} convolutions" if "convolution" not in kernels else ""
    runs = _joined(runs, lambda one: one.one)
    names = [run[0].one if len(run) == 1 else f"{number(len(run))} {run[0].many}" for run in runs]
    alone = len(names) == 1 and len(runs[0]) > 1 and runs[0][0].many != part.one
    return listed(names) if 1 < len(names) <= 4 or alone else ""


def _mixers(parts: Sequence[Part]) -> list[Part]:
    """The parts of a Transformer's block as its readers know them: attention, and the network each token passes."""
    if not any("attention" in part.kinds for part in parts):
        return list(parts)
    mixers: list[Part] = []
    network: list[Part] = []
    for i, part in enumerate(parts):
        if re.search("expert|router", " ".join([part.cls, *(node.id for node in part.nodes)]).lower()):
            mixers.append(replace(part, one="a mixture of experts", many="mixtures of experts", whole=True, inside=()))
        elif set(part.kinds) == {"linear"}:
            network.append(part)
            if i + 1 == len(parts) or set(parts[i + 1].kinds) != {"linear"}:
                mixers += _feed_forward(network, parts[i + 1:])
                network = []
        elif part.kinds.count("attention") == 1:
            one = _attention(part)
            mixers.append(replace(part, one=one, many=f"{one} layers", inside=()))
        else:
            mixers.append(part)
    return mixers


def _feed_forward(network: Sequence[Part], after: Sequence[Part]) -> list[Part]:
    """Linear layers in a row as one part; nothing where they are the projections of attention that comes `after`."""
    nodes = [(part, node) for part in network for node in part.nodes]
    before = any("attention" in part.kinds for part in after) and not any(part.inside for part in network)
    if len(nodes) < 2 or before:
        return []
    widths = [wide for part, node in nodes if (wide := _wide(replace(part, nodes=(node,))))]
    width = f" of width {max(widths)}" if len(widths) == len(nodes) else ""
    return [replace(network[-1], one=f"a feed-forward network{width}", whole=True, inside=())]


def _attention(part: Part) -> str:
    node = next(node for node in part.nodes if node.kind == "attention")
    heads = node.attrs.get("num_heads") or (node.out[0].shape[1] if node.out and len(node.out[0].shape) == 4 else 0)
    name = re.sub(r"[^a-z]", "", f"{part.cls} {part.path.rsplit('.', 1)[-1]} {node.id}".lower())
    which = "cross-" if "cross" in name or "encdec" in name or "encoderattn" in name else "self-" if part.inside else ""
    return f"{f'{heads}-head ' if heads else ''}{which}attention"


def number(count: int) -> str:
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def with_article(noun: str) -> str:
    if noun.startswith("average over"):
        return f"an {noun}"
    return noun if len(noun) == 1 or noun.endswith((*UNCOUNTED, "s")) else f"{article(noun)} {noun}"


def article(noun: str) -> str:
    return "an" if re.match(r"[aeio]|8|11(?!\d)|18(?!\d)|[AEFILMNORSX](?=[A-Z\d])|u(?!ni)", noun) else "a"


def listed(items: Sequence[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    if any(" rounds of " in item and "," in item for item in items):
        return f"{'; '.join(items[:-1])}; and {items[-1]}"
    comma = "," if any("," in item or " and " in item for item in items) else ""
    return f"{', '.join(items[:-1])}{comma} and {items[-1]}"
