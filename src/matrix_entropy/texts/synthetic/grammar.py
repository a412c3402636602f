"""A seeded story grammar: short children's stories about a small fictional world.

The world (`grammar.yaml`) holds fixed facts: each species has its food, home, looks and skill, each
character its species, friend, treasure and work, each place its finds and the obstacle before it,
each obstacle the tool and the species that overcome it. A plot binds some of them at random and
tells its steps in sentences chosen among variants. So there is something to learn at every range,
from the frequency of words to the thing that was named first and comes back at the end.
"""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matrix_entropy.base.yaml_files import read_yaml
from matrix_entropy.texts.synthetic.seeded_choices import pick, sample

LEXICON = Path(__file__).with_name("grammar.yaml")
BOTH = (False, True)
NOUNS = {"food", "treasure", "tool", "use", "goods", "gift", "wear"}  # need articles or verbs

Words = dict[str, Any]


class Entry(str):
    """A phrase with its other forms as attributes; `form` also exists capitalised, as `Form`."""

    def __new__(cls, text: str, **forms: Any) -> Entry:
        entry = super().__new__(cls, text)
        for key, form in {"up": text, **forms}.items():
            setattr(entry, key, form)
            if isinstance(form, str) and form:
                setattr(entry, key[0].upper() + key[1:], form[0].upper() + form[1:])
        return entry

    def __getattr__(self, form: str) -> Any:
        raise AttributeError(f"{str(self)!r} has no form {form!r}")


class Step(NamedTuple):
    """A step of a plot: told when `tests` hold, as one of `variants`, each in several forms."""

    tests: tuple[tuple[str, bool], ...]
    variants: tuple[tuple[str, ...], ...]


class World(NamedTuple):
    """The facts of the grammar and the plots that tell of them."""

    species: dict[str, Entry]
    characters: dict[str, Entry]
    by_kind: dict[str, list[Entry]]
    places: dict[str, Entry]
    obstacles: dict[str, Entry]
    lists: dict[str, list[Entry]]
    plots: dict[str, tuple[Step, ...]]


def stories(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Yield `count` stories as {"id", "group", "text"}, where `group` is the kind of plot.

    Story i depends on (seed, i) alone, through `random.Random(f"{seed}-{i}")` with i from 1, so a
    longer corpus begins with a shorter one of the same seed.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"count must be a positive integer, not {count!r}: ask for 1 or more")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f"seed must be an integer, not {seed!r}: give a whole number such as 0")
    return map(functools.partial(_story, _world(), seed), range(1, count + 1))


def _story(world: World, seed: int, index: int) -> dict[str, str]:
    """Story number `index` of `seed`."""
    rng = random.Random(f"{seed}-{index}")
    group = pick(rng, tuple(PLOTS))
    text = _tell(world.plots[group], PLOTS[group](world, rng), rng)
    return {"id": f"story-{index:06d}", "group": group, "text": text}


def _tell(steps: Sequence[Step], words: Words, rng: random.Random) -> str:
    """The text of a plot, its slots filled from `words`."""
    told = []
    for tests, variants in steps:
        words["maybe"] = rng.random() < 1 / 3
        if all(words[flag] is wanted for flag, wanted in tests):
            told.append(pick(rng, pick(rng, variants)))
    return " ".join(told).format_map(words)


def _cast(world: World, rng: random.Random, count: int, *known: Entry) -> list[Entry]:
    """`count` different characters, none of them among `known`."""
    drawn = sample(rng, world.lists["characters"], count + len(known))
    return [character for character in drawn if character not in known][:count]


def _dress(world: World, rng: random.Random, hero: Entry) -> Words:
    """The hero, the weather, what the hero wears for it, and whether the story mentions it."""
    weather = pick(rng, world.lists["weather"])
    dressed = rng.random() < 0.3 and not hero.many  # two would need two of what is worn
    return {"hero": hero, "weather": weather, "wear": weather.wear, "dressed": dressed}


def _numbers(world: World, **values: int) -> Words:
    """The number words of `values`."""
    return {name: world.lists["numbers"][value] for name, value in values.items()}


def _lost(world: World, rng: random.Random) -> Words:
    """The hero's treasure lies where the hero rested; the best friend asks the right question."""
    hero = _cast(world, rng, 1)[0]
    rest, other = sample(rng, world.lists["places"], 2)
    words = {"pal": world.characters[hero.pal], "thing": hero.treasure, "early": pick(rng, BOTH)}
    return words | {"rest": rest, "other": other} | _dress(world, rng, hero)


def _journey(world: World, rng: random.Random) -> Words:
    """A place lies behind an obstacle, which the right tool or the right helper overcomes."""
    hero, pal = _cast(world, rng, 2)
    obstacles = {place: world.obstacles[place.bars] for place in world.lists["places"]}
    able = (hero.species, pal.species)  # they would need no help
    place = pick(rng, [place for place in obstacles if obstacles[place].kind not in able])
    bar = obstacles[place]
    tools = [obstacle.tool for obstacle in obstacles.values() if obstacle is not bar]
    spare, extra = sample(rng, tools, 2)
    one, two = sample(rng, [bar.tool, spare], 2)
    words = {"pal": pal, "place": place, "bar": bar, "tool": bar.tool, "spare": spare}
    words |= {"helper": pick(rng, world.by_kind[bar.kind]), "extra": extra}
    words |= {"one": one, "two": two, "helped": pick(rng, BOTH)}
    return words | _numbers(world, n=pick(rng, range(3, 10))) | _dress(world, rng, hero)


def _trade(world: World, rng: random.Random) -> Words:
    """A chain of two or three trades, agreed in one direction and paid in the other."""
    start, long = pick(rng, range(12)), rng.random() < 0.4
    chain = [world.lists["traders"][(start + step) % 12] for step in range(4)]
    words: Words = {f"t{i}": trader for i, trader in enumerate(chain, 1)}
    words |= {f"g{i}": trader.goods for i, trader in enumerate(chain, 1)}
    words |= {"long": long, "last": chain[2 + long].goods}
    return words | _dress(world, rng, _cast(world, rng, 1, *chain)[0])


def _contest(world: World, rng: random.Random) -> Words:
    """A contest of skill, which the gifted species wins, or of numbers, which the largest wins."""
    event, skilled = pick(rng, world.lists["events"]), pick(rng, BOTH)
    ranked, place = _cast(world, rng, 3), pick(rng, world.lists["places"])
    if skilled:
        ranked = [pick(rng, world.by_kind[kind]) for kind in event.kinds]
        place = world.places[event.at]
    found = sorted(sample(rng, range(2, 13), 3), reverse=True)
    lined_up = sample(rng, list(zip(ranked, found, strict=True)), 3)
    words: Words = dict(zip(("first", "second", "third"), ranked, strict=True))
    for name, (contestant, number) in zip("abc", lined_up, strict=True):
        words |= {name: contestant, f"{name}n": world.lists["numbers"][number]}
    words |= _numbers(world, most=found[0], gap=found[0] - found[1], n=pick(rng, range(2, 10)))
    words |= {"event": event, "place": place, "skilled": skilled, "boaster": pick(rng, ranked)}
    prize, judge = pick(rng, world.lists["prizes"]), _cast(world, rng, 1, *ranked)[0]
    return words | {"prize": prize, "judge": judge}


def _storm(world: World, rng: random.Random) -> Words:
    """Bad weather drives the hero to the home of another, who is thanked with a share."""
    hero, pal, guest = _cast(world, rng, 3)
    storm, guests = pick(rng, world.lists["storms"]), pick(rng, BOTH)
    n, part, also = (pick(rng, range(*ends)) for ends in ((6, 11), (2, 4), (1, 3)))
    words = {"hero": hero, "pal": pal, "guest": guest, "storm": storm, "guests": guests}
    words |= {"place": world.places[pick(rng, getattr(storm, "places", list(world.places)))]}
    words |= {"tale": pick(rng, world.lists["species"])}
    return words | _numbers(world, n=n, part=part, also=also, left=n - part - also * guests)


def _making(world: World, rng: random.Random) -> Words:
    """Something is made of three parts, each from its own place; the third may have to be given."""
    hero, pal, helper, other = _cast(world, rng, 4)
    recipe = pick(rng, world.lists["recipes"])
    words: Words = {f"p{i}": part for i, part in enumerate(recipe.parts, 1)}
    words |= {f"f{i}": source for i, source in enumerate(recipe.sources, 1)}
    words |= {"pal": pal, "helper": helper, "other": other, "recipe": recipe}
    return words | {"hero": hero, "short": pick(rng, BOTH)}


def _riddle(world: World, rng: random.Random) -> Words:
    """A riddle whose answer is a species, known by its facts, or a thing."""
    (hero, pal), creature = _cast(world, rng, 2), pick(rng, BOTH)
    strange = [kind for kind in world.lists["species"] if kind not in (hero.species, pal.species)]
    answer, guess = sample(rng, strange if creature else world.lists["riddles"], 2)
    told = sample(rng, range(len(answer.clues)), 3)
    words: Words = {f"c{i}": answer.clues[clue] for i, clue in enumerate(told, 1)}
    words |= {"denial": guess.denials[min(told)]} if creature else {}
    words |= {"pal": pal, "keeper": pick(rng, world.lists["keepers"]), "answer": answer}
    words |= {"guess": guess, "creature": creature, "wrong": pick(rng, BOTH)}
    return words | _numbers(world, n=pick(rng, range(2, 13))) | _dress(world, rng, hero)


def _promise(world: World, rng: random.Random) -> Words:
    """A number of things is promised by a day, found in two parts, and counted out."""
    hero = _cast(world, rng, 1)[0]
    pal, days = world.characters[hero.pal], world.lists["days"]
    day, wait, n, few = (pick(rng, range(*ends)) for ends in ((0, 7), (3, 6), (5, 10), (2, 4)))
    words: Words = {"today": days[day], "next": days[(day + 1) % 7], "after": days[(day + 2) % 7]}
    words |= {"due": days[(day + wait) % 7], "game": pick(rng, world.lists["games"])}
    words |= {"pal": pal, "other": _cast(world, rng, 1, hero, pal)[0], "spilt": rng.random() < 0.3}
    words |= _numbers(world, n=n, few=few, rest=n - few, drop=2, wait=wait)
    return words | {"hero": hero, "place": pick(rng, world.lists["places"])}


def _delivery(world: World, rng: random.Random) -> Words:
    """Three parcels, told apart by their colours, go to three homes."""
    hero, *others = _cast(world, rng, 4)
    words: Words = dict(zip("abc", others, strict=True))
    for letter, name in (("w", "wraps"), ("g", "gifts")):
        words |= {f"{letter}{i}": it for i, it in enumerate(sample(rng, world.lists[name], 3), 1)}
    return words | {"hero": hero, "mixed": rng.random() < 0.3}


def _mystery(world: World, rng: random.Random) -> Words:
    """Which of three took a treasure is told by what was found, heard and eaten."""
    cast = [pick(rng, world.by_kind[kind]) for kind in sample(rng, list(world.by_kind), 5)]
    words: Words = dict(zip(("hero", "pal", "thief", "innocent", "spare"), cast, strict=True))
    words |= dict(zip("abc", sample(rng, cast[2:], 3), strict=True))
    seen, thief = pick(rng, BOTH), cast[2]
    clue = thief.trace if seen else f"a voice that {thief.cried}"
    words |= {"seen": seen, "clue": clue, "crumbs": thief.food, "thing": cast[1].treasure}
    return words | {"excuse": pick(rng, world.lists["excuses"])}


PLOTS: dict[str, Callable[[World, random.Random], Words]] = {
    "lost": _lost,
    "journey": _journey,
    "trade": _trade,
    "contest": _contest,
    "storm": _storm,
    "making": _making,
    "riddle": _riddle,
    "promise": _promise,
    "delivery": _delivery,
    "mystery": _mystery,
}


@functools.cache
def _world() -> World:
    """The lexicon, read once: entries with all their forms, and plots ready to tell."""
    lexicon = read_yaml(LEXICON)
    named = {
        "species": {name: _species(name, lexicon) for name in lexicon["species"]},
        "characters": {name: _character(name, lexicon) for name in lexicon["characters"]},
    }
    for kind in ("places", "obstacles"):
        named[kind] = {name: _entry({"name": name} | row) for name, row in lexicon[kind].items()}
    lists = {kind: list(entries.values()) for kind, entries in named.items()}
    for kind, rows in lexicon.items():
        if isinstance(rows, list):
            lists[kind] = [_entry(row) for row in rows]
    lists["numbers"] = [_number(value, lexicon) for value in range(len(lexicon["numbers"]))]
    by_kind: dict[str, list[Entry]] = {name: [] for name in lexicon["species"]}
    for character in lists["characters"]:
        by_kind[character.species].append(character)
    plots = {name: tuple(_steps(lexicon["plots"][name], lexicon["shared"])) for name in PLOTS}
    return World(lists=lists, by_kind=by_kind, plots=plots, **named)


def _entry(row: str | dict[str, Any]) -> Entry:
    """The entry of a lexicon row, with its articles and the verbs that agree with it."""
    forms: dict[str, Any] = {"name": row} if isinstance(row, str) else dict(row)
    for key in forms.keys() & NOUNS:
        forms[key] = _entry(forms[key])
    if "parts" in forms:
        forms["parts"] = [_entry(part) for part in forms["parts"]]
    name = forms.pop("name")
    bare = name.removeprefix("pair of ")
    head = name.split(" of ")[0]
    many = bare != name or (head.endswith("s") and not head.endswith("ss"))
    verbs = {"was": "were", "is": "are"} if many else {"was": "was", "is": "is"}
    return Entry(bare, **{"a": _article(name), "the": f"the {bare}"} | verbs | forms)


def _article(noun: str) -> str:
    """`noun` after "a" or "an"."""
    vowel = noun.startswith(("a", "e", "i", "o", "u", "honest")) and not noun.startswith("useful")
    return f"an {noun}" if vowel else f"a {noun}"


def _number(value: int, lexicon: dict[str, Any]) -> Entry:
    """The entry of a number word: its verb, and how it is counted up to."""
    counted = ", ".join(lexicon["numbers"][1 : value + 1])
    return Entry(lexicon["numbers"][value], was="was" if value == 1 else "were", counted=counted)


def _species(name: str, lexicon: dict[str, Any]) -> Entry:
    """The entry of a species, with its facts as the clues of a riddle and as denials of a guess."""
    row, facts = lexicon["species"][name], lexicon["facts"]
    clues = [f"{mine} {row[fact]}" for fact, (mine, _) in facts.items()]
    denials = [f"{theirs} {row[fact]}" for fact, (_, theirs) in facts.items()]
    return _entry(row | {"name": name, "clues": clues, "denials": denials})


def _character(name: str, lexicon: dict[str, Any]) -> Entry:
    """The entry of a character: the facts of the species and of the person, and the pronouns."""
    row = lexicon["characters"][name]
    kind, many = row["kind"], row["who"] == "they"
    species = lexicon["species"][kind]
    friends = lexicon["friends"] | {pal: each for each, pal in lexicon["friends"].items()}
    forms = {"name": name, "species": kind, "many": many, "pal": friends[name]}
    forms |= {"kind": species["plural"] if many else kind, "kind_a": _article(kind)}
    trait = row["trait"]
    forms["a"] = f"two {trait} {species['plural']}" if many else _article(f"{trait} {kind}")
    return _entry(species | row | lexicon["pronouns"][row["who"]] | forms)


def _steps(rows: Sequence[Any], shared: dict[str, Any]) -> Iterator[Step]:
    """The steps of a plot of the lexicon, with the shared ones in place."""
    for row in rows:
        ((key, body),) = row.items() if isinstance(row, dict) else (("", row),)
        if key == "use":
            yield from _steps(shared[body], shared)
            continue
        flags = key.removeprefix("if ").split(" and ") if key else []
        tests = tuple((flag.removeprefix("not "), not flag.startswith("not ")) for flag in flags)
        lines = re.sub(r"\n +", " ", body.strip()).split("\n")
        yield Step(tests, tuple(_forms(line) for line in lines))


def _forms(line: str) -> tuple[str, ...]:
    """All forms of a variant: "[a|b] c" is "a c" and "b c"."""
    parts = [part.split("|") for part in re.split(r"[\[\]]", line)]
    return tuple("".join(chosen) for chosen in itertools.product(*parts))
