"""Find the installed plugins, keep the broken ones apart, and look components up by name."""

import difflib
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click
import pluggy

from imgcls import hookspecs
from imgcls.component import Component

GROUP = "imgcls"
OWN_DISTRIBUTION = "imgcls"
# kind, as in `imgcls models` and the hook's name -> what one of them is called in a message
KINDS = {
    "models": "model",
    "datasets": "dataset",
    "augmentations": "augmentation",
    "optimizers": "optimizer",
    "schedules": "schedule",
    "losses": "loss",
    "trackers": "tracker",
    "callbacks": "callback",
    "clusters": "kind of cluster",
}


@dataclass(frozen=True)
class Found:
    """A component, with the name a recipe uses for it and the package it came from."""

    name: str
    component: Component
    plugin: str
    distribution: str
    version: str

    @property
    def origin(self) -> str:
        """Package and version, as recorded in a plan."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class Broken:
    """A plugin that is installed but cannot be used, and why."""

    plugin: str
    distribution: str
    version: str
    error: str


@dataclass(frozen=True)
class Loaded:
    """A plugin that is in use."""

    plugin: str
    distribution: str
    version: str
    module: Any


class UnknownComponent(LookupError):
    """A name that no working plugin has; the message suggests the nearest."""


class _Manager(pluggy.PluginManager):
    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        # pluggy would getattr every name of the module, and so import what a lazy module puts off
        return super().parse_hookimpl_opts(plugin, name) if name.startswith("imgcls_") else None


class Plugins:
    """The plugins of some entry points.

    Args:
        points: entry points of the group ``imgcls``; each must know its distribution.
    """

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self._manager = _Manager("imgcls")
        self._manager.add_hookspecs(hookspecs)
        self._components: dict[str, dict[str, Found]] = {}
        self.loaded: list[Loaded] = []
        self.broken: list[Broken] = []
        by_name: dict[str, list[EntryPoint]] = {}
        for point in sorted(points, key=lambda p: (p.name, _distribution(p))):
            by_name.setdefault(point.name, []).append(point)
        for name, claims in by_name.items():
            if len(claims) > 1:
                self._refuse_all(name, claims)
            else:
                self._load(claims[0])

    def _refuse_all(self, name: str, claims: Sequence[EntryPoint]) -> None:
        names = " and ".join(f"'{_distribution(point)}'" for point in claims)
        for point in claims:
            error = f"the packages {names} both claim the plugin name '{name}'; uninstall one of them"
            self.broken.append(Broken(name, _distribution(point), _version(point), error))

    def _load(self, point: EntryPoint) -> None:
        try:
            module = point.load()
            self._manager.register(module, name=point.name)
            self._manager.check_pending()
        except (Exception, SystemExit) as error:  # noqa: BLE001 (one package must not take the program down)
            if self._manager.has_plugin(point.name):
                self._manager.unregister(name=point.name)
            self.broken.append(Broken(point.name, _distribution(point), _version(point), _why(error)))
        else:
            self.loaded.append(Loaded(point.name, _distribution(point), _version(point), module))

    def hooks(self, plugin: Loaded) -> list[str]:
        """Return the names of the hooks that a plugin implements."""
        callers = self._manager.get_hookcallers(plugin.module) or []
        return sorted(caller.name for caller in callers)

    def components(self, kind: str) -> dict[str, Found]:
        """Return all components of a kind by the name that a recipe uses: bare for imgcls's own."""
        if not self._components:
            # all kinds at once: a plugin that breaks in one is out of all, whichever was asked for
            for each in KINDS:
                self._components[each] = self._collect(each)
            working = {plugin.plugin for plugin in self.loaded}
            for known in self._components.values():
                for name in [name for name, found in known.items() if found.plugin not in working]:
                    del known[name]
        return self._components[kind]

    def commands(self) -> dict[str, click.Command]:
        """Return the commands that plugins add, by the name that the command line has for them."""
        found: dict[str, click.Command] = {}
        for plugin in list(self.loaded):
            try:
                for command in self._results(plugin, "imgcls_commands"):
                    name = str(command.name)
                    found[name if plugin.distribution == OWN_DISTRIBUTION else f"{plugin.plugin}:{name}"] = command
            except (Exception, SystemExit) as error:  # noqa: BLE001
                self._break(plugin, error)
        return found

    def _collect(self, kind: str) -> dict[str, Found]:
        found: dict[str, Found] = {}
        for plugin in list(self.loaded):
            try:
                mine = self._of_plugin(plugin, kind)
                twice = found.keys() & mine.keys()
                if twice:
                    raise ValueError(f"another plugin of imgcls has {', '.join(sorted(twice))} already")
            except (Exception, SystemExit) as error:  # noqa: BLE001
                self._break(plugin, error)
            else:
                found.update(mine)
        return found

    def _break(self, plugin: Loaded, error: BaseException) -> None:
        self.loaded.remove(plugin)
        self._manager.unregister(name=plugin.plugin)
        self.broken.append(Broken(plugin.plugin, plugin.distribution, plugin.version, _why(error)))

    def _results(self, plugin: Loaded, hook: str) -> Iterable[Any]:
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if implementation.plugin is plugin.module:
                yield from implementation.function()

    def _of_plugin(self, plugin: Loaded, kind: str) -> dict[str, Found]:
        mine: dict[str, Found] = {}
        for component in self._results(plugin, f"imgcls_{kind}"):
            own = plugin.distribution == OWN_DISTRIBUTION
            name = component.name if own else f"{plugin.plugin}:{component.name}"
            if name in mine:
                raise ValueError(f"{KINDS[kind]} '{component.name}' is there twice")
            mine[name] = Found(name, component, plugin.plugin, plugin.distribution, plugin.version)
        return mine

    def find(self, kind: str, name: str) -> Found:
        """Return the component of a kind that a recipe's name means.

        Raises:
            UnknownComponent: no working plugin has it.
        """
        known = self.components(kind)
        if name in known:
            return known[name]
        raise UnknownComponent(f"unknown {KINDS[kind]} '{name}'{self._hint(kind, name)}{self._notes()}")

    def _hint(self, kind: str, name: str) -> str:
        known = self.components(kind)
        same = [full for full in known if full.partition(":")[2] == name]
        near = same or difflib.get_close_matches(name, known, n=1)
        if near:
            return f"; did you mean '{near[0]}'?"
        for other, singular in KINDS.items():
            if other != kind and name in self.components(other):
                return f"; '{name}' is {_article(singular)}, not {_article(KINDS[kind])}"
        return f"; `imgcls {kind}` lists them"

    def _notes(self) -> str:
        return "".join(
            f"\n    note: the plugin '{b.plugin}' of {b.distribution} {b.version} could not be loaded: {b.error}"
            for b in self.broken
        )


@cache
def installed() -> Plugins:
    """Return the plugins installed in this environment."""
    return Plugins(entry_points(group=GROUP))


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "?"


def _version(point: EntryPoint) -> str:
    return point.dist.version if point.dist else "?"


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _why(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)
    where = f" ({frame[-1].filename}:{frame[-1].lineno})" if frame else ""
    return f"{type(error).__name__}: {error}{where}"
