"""Recipe + plugins + data -> Plan: plain data that a worker obeys and a run's folder carries."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcls.component import Layout, load, reference_to
from imgcls.recipe.schema import Checkpointing, Loading, OnBadImage, Progressive, Sampling, Train, Workers
from imgcls.weights import Weights

if TYPE_CHECKING:
    from imgcls.recipe import Named, Recipe

_RECORDED = ("imgcls", "torch", "ray", "nvidia-dali-cuda130", "nvidia-dali-cuda120", "numpy")
# where and how a run is carried out: another value continues the same run
_CIRCUMSTANCES = ("name", "workers", "loading", "checkpoint", "track", "versions")
# of training: what changes memory and time alone
_TRAIN_CIRCUMSTANCES = ("parallel", "activation_checkpointing")
# of a component: where it is from follows from its name
_UNSAID = ("origin", "layouts")
_GREY = {"channels": 1, "mean": (0.5,), "std": (0.5,)}
_RGB = {"channels": 3, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


@dataclass(frozen=True)
class Reference:
    """A component by import reference, with all its options: what a worker needs to build it."""

    name: str
    build: str
    options_type: str
    options: Mapping[str, Any]
    origin: str
    layouts: str = ""

    @classmethod
    def of(cls, named: "Named") -> "Reference":
        """Return the reference to a recipe's component."""
        component = named.found.component
        where = reference_to(component.options)
        options = asdict(named.options)
        return cls(named.found.name, component.build, where, options, named.found.origin, component.layouts)

    def construct(self, **arguments: Any) -> Any:
        """Import the builder and call it with the options and what else its hook's signature names.

        Raises:
            ImportError: the builder is not there.
        """
        return load(self.build)(self._options, **arguments)

    @property
    def _options(self) -> Any:
        import json

        from pydantic import TypeAdapter

        # through JSON, as the recipe was: a tuple comes back as a tuple
        return TypeAdapter(load(self.options_type)).validate_json(json.dumps(self.options), strict=True)

    def known_layouts(self) -> Mapping[str, Layout]:
        """Return what other projects name the model's tensors: layout's name -> layout."""
        found: Mapping[str, Layout] = load(self.layouts)(self._options) if self.layouts else {}
        return found


@dataclass(frozen=True)
class Format:
    """What the model is given: all values set.

    Attributes:
        size: height and width in pixels.
        channels: 1 or 3.
        mean: a value a channel, in 0..1.
        std: a value a channel, in 0..1.
        eval_resize: shorter side in pixels before the evaluation's centre crop.
        interpolation: one of recipe.schema.Interpolation.
        train_size: height and width in pixels in training, where it is another; None: ``size``.
    """

    size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    eval_resize: int
    interpolation: str
    train_size: int | None = None

    @property
    def training(self) -> "Format":
        """What the model is given in training, at the end of it where images grow."""
        return self if self.train_size is None else self.at(self.train_size)

    def at(self, size: int) -> "Format":
        """Return the same for images of another size; a resize before a centre crop keeps its ratio to it."""
        return replace(self, size=size, eval_resize=round(self.eval_resize * size / self.size), train_size=None)


@dataclass(frozen=True)
class IndexFile:
    """Where the index of a split lies, what its paths are relative to, and what it must contain."""

    path: str
    root: str
    digest: str
    samples: int


@dataclass(frozen=True)
class Data:
    """The two splits and their classes, and what is done about an image that cannot be decoded."""

    dataset: Reference
    classes: tuple[str, ...]
    train: IndexFile
    validation: IndexFile
    on_bad_image: OnBadImage


@dataclass(frozen=True)
class Distillation:
    """What a model learns from, beside the labels or in their place.

    Attributes:
        method: one of recipe.schema.Distill's.
        temperature: that logits are divided by where two models are compared.
        weight: of the other model in the loss.
        model: the teacher's; of dml the second one.
        format: of the teacher's images; None of dml, whose models see the same.
        weights: the teacher's; None of dml.
        seen: digest of the index of the images that the teacher was trained on; empty: not known.
    """

    method: str
    temperature: float
    weight: float
    model: Reference
    format: Format | None
    weights: Weights | None
    seen: str = ""


@dataclass(frozen=True)
class Plan:
    """Everything that a run depends on."""

    name: str
    seed: int
    data: Data
    format: Format
    augment: tuple[Reference, ...]
    model: Reference
    weights: Weights | None
    optimizer: Reference
    schedule: Reference
    loss: Reference
    callback: tuple[Reference, ...]
    track: tuple[Reference, ...]
    train: Train
    sampling: Sampling
    checkpoint: Checkpointing
    loading: Loading
    workers: Workers
    versions: dict[str, str]
    distill: Distillation | None = None
    progressive: Progressive = field(default_factory=Progressive)

    def to_json(self) -> str:
        """Return the plan as JSON text."""
        text: str = _adapter().dump_json(self, indent=2).decode()
        return text + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Return the plan that :meth:`to_json` wrote."""
        return _adapter().validate_json(text, strict=True)  # type: ignore[no-any-return]

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes the run the run it is, flat: dotted key -> value."""
        import json

        tree = json.loads(self.to_json())
        for key in _CIRCUMSTANCES:
            del tree[key]
        for key in _TRAIN_CIRCUMSTANCES:
            del tree["train"][key]
        for split in ("train", "validation"):
            tree["data"][split] = tree["data"][split]["digest"]
        del tree["data"]["dataset"], tree["data"]["on_bad_image"]
        # of weights, what is in the file counts, not where it was found
        tree["weights"] = None if self.weights is None else self.weights.sha256
        if self.distill is None:
            del tree["distill"]
        else:
            tree["distill"]["weights"] = self.distill.weights.sha256 if self.distill.weights else None
        return dict(_flat(tree))


def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Plan)


def _flat(tree: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(tree, dict):
        return [
            pair for k, v in tree.items() if k not in _UNSAID for pair in _flat(v, f"{path}.{k}" if path else k)
        ]
    if isinstance(tree, list) and tree and isinstance(tree[0], dict):
        return [pair for i, v in enumerate(tree) for pair in _flat(v, f"{path}.{i}")]
    return [(path, tree)]


def differences(old: Plan, new: Plan) -> list[str]:
    """Return what makes two plans different runs, a line each; circumstances do not count."""
    keys = sorted(old.identity.keys() | new.identity.keys())
    return [
        f"{key}: was {old.identity.get(key, 'not set')}, is now {new.identity.get(key, 'not set')}"
        for key in keys
        if old.identity.get(key) != new.identity.get(key)
    ]


def make(
    recipe: "Recipe",
    data: Data,
    name: str,
    weights: Weights | None = None,
    distill: Distillation | None = None,
) -> Plan:
    """Return the plan of a run.

    Args:
        recipe: what is asked for.
        data: from ``imgcls.data.prepare``.
        name: of the run.
        weights: the file that the model starts from.
        distill: from ``imgcls.distillation``.

    Raises:
        UserError: values that do not go together.
    """
    _check_memory_savers(recipe)
    workers = max(1, recipe.workers.count)
    train = recipe.train
    if train.batch_size < workers:
        text = f"{train.batch_size} samples cannot be shared by {workers} workers; raise it"
        raise recipe.error(("train", "batch_size"), text)
    samples = data.train.samples
    if train.last_batch == "drop" and samples < train.batch_size:
        text = (
            f"{train.batch_size} is more than the {samples} samples of the training set, "
            'and last_batch = "drop" leaves no batch; lower it, or set last_batch = "even"'
        )
        raise recipe.error(("train", "batch_size"), text)
    if samples < workers:
        text = f"the training set has {samples} samples, fewer than the {workers} workers"
        raise recipe.error(("workers", "count"), text)
    smallest = train.batch_size if train.last_batch == "drop" else samples // -(-samples // train.batch_size)
    if smallest < workers:
        text = f"gives batches of {smallest} of the {samples} samples, too few for {workers} workers; raise it"
        raise recipe.error(("train", "batch_size"), text)
    return Plan(
        name=name,
        seed=recipe.seed,
        data=data,
        format=resolve_format(recipe),
        augment=tuple(Reference.of(named) for named in recipe.augment),
        model=Reference.of(recipe.model),
        weights=weights,
        optimizer=Reference.of(recipe.optimizer),
        schedule=Reference.of(recipe.schedule),
        loss=Reference.of(recipe.loss),
        callback=tuple(Reference.of(named) for named in recipe.callback),
        track=tuple(Reference.of(named) for named in recipe.track),
        train=train,
        sampling=recipe.sampling,
        checkpoint=recipe.checkpoint,
        loading=recipe.loading,
        workers=recipe.workers,
        versions=_versions(),
        distill=distill,
        progressive=recipe.progressive,
    )


def _check_memory_savers(recipe: "Recipe") -> None:
    train, optimizer = recipe.train, recipe.optimizer.found
    if train.activation_checkpointing and train.compile:
        text = "true does not go with train.compile = true; set one of them to false"
        raise recipe.error(("train", "activation_checkpointing"), text)
    if train.parallel != "fsdp":
        return
    for name in ("channels_last", "compile"):
        if getattr(train, name):
            text = f'"fsdp" does not go with train.{name} = true; set it to false, or "ddp"'
            raise recipe.error(("train", "parallel"), text)
    if not optimizer.component.facts.get("fsdp", True):
        text = f'"fsdp" does not go with the optimizer {optimizer.name}, which needs whole weights; set "ddp"'
        raise recipe.error(("train", "parallel"), text)


def resolve_format(recipe: "Recipe") -> Format:
    """Return what the recipe says of the model's input, completed by the model's own published facts.

    Raises:
        UserError: values that do not go together.
    """
    facts, own = recipe.model.found.component.facts, recipe.input
    published = int(facts.get("input_size", 224))
    size = own.size or published
    train_size = None if own.train_size == size else own.train_size  # one way to say that it is the same
    channels = own.channels or int(facts.get("channels", 3))
    same = channels == facts.get("channels", 3)
    fallback = {**(_GREY if channels == 1 else _RGB), **(facts if same else {})}
    # a model's evaluation resize belongs to its own input size: keep their ratio
    resize = round(facts.get("eval_resize", published) * size / published)
    found = Format(
        size=size,
        channels=channels,
        mean=_per_channel(recipe, "mean", own.mean or tuple(fallback["mean"]), channels),
        std=_per_channel(recipe, "std", own.std or tuple(fallback["std"]), channels),
        eval_resize=own.eval_resize or resize,
        interpolation=own.interpolation or str(facts.get("interpolation", "bilinear")),
        train_size=train_size,
    )
    if found.eval_resize < found.size:
        text = f"{found.eval_resize} is less than input.size = {found.size}"
        raise recipe.error(("input", "eval_resize"), text)
    if min(found.std) <= 0:
        raise recipe.error(("input", "std"), f"must be above 0, got {list(found.std)}")
    _check_growth(recipe, found.training.size)
    return found


def _check_growth(recipe: "Recipe", size: int) -> None:
    """Raise a UserError where images cannot grow as the recipe says up to the size that they have in training."""
    growing = recipe.progressive
    if growing.size is None:
        return
    if growing.size >= size:
        text = f"{growing.size} is not less than the {size} pixels of training that images grow to; lower it"
        raise recipe.error(("progressive", "size"), text)
    if growing.end is not None and growing.end <= growing.begin:
        text = f"must be more than progressive.begin = {growing.begin}, got {growing.end}"
        raise recipe.error(("progressive", "end"), text)


def _per_channel(recipe: "Recipe", name: str, values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if len(values) == 1:
        return values * channels
    if len(values) != channels:
        text = f"has {len(values)} values, for {channels} channel{'s' if channels > 1 else ''}"
        raise recipe.error(("input", name), text)
    return values


def _versions() -> dict[str, str]:
    found = {}
    for name in _RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def absolute(path: str) -> str:
    """Return a path as every process of this machine finds it."""
    return str(Path(path).expanduser().absolute())
