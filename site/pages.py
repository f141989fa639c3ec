"""The pages of the site, each a function that writes it in its languages."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import networks
import provenance
import rendering
from frame import DOCUMENTS, FOLDERS, HERE, LANGUAGES, NAVIGATION, Site, relative

from dsrl_lab.files import REPOSITORY
from dsrl_lab.language import choose_language, translate
from dsrl_lab.language import language as current_language
from dsrl_lab.plots.theme import theme, translate_texts
from dsrl_lab.results.readme import ALL_BEGIN, ALL_END
from dsrl_lab.training.record import read
from dsrl_lab.widgets.affinity import AffinityExplorer
from dsrl_lab.widgets.base import source, spoken
from dsrl_lab.widgets.examples import EXAMPLES

RUNTIME = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
OFFLINE = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self' data: blob:"
)
COMMENT = r"<!--.*?-->"
LANGUAGE_LINE = r"^(\[?(English|简体中文|中文)(\]\([^)]*\))?[ |]*)+$"


def documents(site: Site) -> None:
    """The pages of the repository; results sort in the browser, and each of their tables names its records."""
    for name, page in list(site.places.items()):
        if not name.endswith(".md") or page.startswith("files/"):
            continue
        words = LANGUAGES["zh" if page.startswith("zh/") else "en"]
        text = _text(name)
        if page == "zh/results.html":  # its tables stand in the English page alone
            text += "\n\n" + _text("docs/RESULTS.md", ALL_BEGIN, ALL_END)
        note = provenance.of_table(REPOSITORY, site.link(page), words) if page.endswith("results.html") else None
        body = rendering.markdown(re.sub(COMMENT, "", text), site.link(page, name), note)
        if note:
            body = body.replace(
                '<div class="scroll"', f'<p class="hint">{words["sort_hint"]}</p><div class="scroll"', 1
            )
        site.write(page, _beginning(text)[0], body, scripts=("table.js",), kind="numbers" if note else "")


def start(site: Site, language: str) -> None:
    """The start page: the beginning of README, the site's pages, what the method is and what was found."""
    words, page = LANGUAGES[language], f"{FOLDERS[language]}index.html"
    name = next(name for name, place in site.places.items() if place == f"{FOLDERS[language]}readme.html")
    intro, commands, found, method, *_ = re.sub(COMMENT, "", _text(name)).split("\n## ")
    cards = ""
    for key in NAVIGATION:
        there = relative(site.in_language(f"{key}.html", language), page)
        cards += f'<li><a href="{there}">{words[key]}</a><p>{words[f"{key}_card"]}</p></li>'
    chosen = {site.in_language(Path(other).stem.lower() + ".html", language) for other in DOCUMENTS}
    for other, place in site.places.items():
        if place in chosen and Path(place).stem not in ("readme", *NAVIGATION):
            title, lead = _beginning(_text(other))
            sentence = re.split(r"(?<=[.。])\s|(?<=。)", lead)[0]
            cards += f'<li><a href="{relative(place, page)}">{title}</a>{rendering.markdown(sentence, str)}</li>'
    link = site.link(page, name)
    body = rendering.markdown(intro, link) + f'<ul class="cards">{cards}</ul>'
    body += rendering.markdown("\n\n".join(f"## {part}" for part in (method, found, commands)), link)
    site.write(page, "DSRL Lab", body, scripts=("table.js",), kind="numbers")


def notebooks(site: Site, language: str) -> None:
    """All notebooks of one language, and the page that lists them, or the English ones."""
    words, folder = LANGUAGES[language], f"{FOLDERS[language]}notebooks/"
    names = [name for name, place in site.places.items() if place.startswith(folder)]
    for i, name in enumerate(names):
        page = site.places[name]
        site.copy(name, f"files/{name}")
        links = [f'<a href="{relative(f"files/{name}", page)}" download>{words["notebook_file"]}</a>']
        for word, j in (("previous", i - 1), ("next", i + 1)):
            if 0 <= j < len(names):
                links.append(f'<a href="{relative(site.places[names[j]], page)}">{words[word]}</a>')
        body = rendering.notebook(REPOSITORY / name, site.link(page, name), code=words["code"])
        more = f'<p class="more">{" ".join(links)}</p>'
        site.write(page, _beginning(_first_cell(name))[0], body + more, kind="notebook")
    page, cards = f"{FOLDERS[language]}notebooks.html", ""
    for name in names or [name for name, place in site.places.items() if place.startswith("notebooks/")]:
        title, lead = _beginning(_first_cell(name))
        there = relative(site.places[name], page)
        cards += f'<li><a href="{there}">{html.escape(title)}</a>{rendering.markdown(lead, str)}</li>'
    body = f'<h1>{words["notebooks"]}</h1><p class="lead">{words["notebooks_lead"]}</p><ul class="cards">{cards}</ul>'
    site.write(page, words["notebooks"], body)


def figures(site: Site, language: str) -> None:
    """All figures with their records and commands."""
    words, page = LANGUAGES[language], f"{FOLDERS[language]}figures.html"
    body = f'<h1>{words["figures"]}</h1><p class="lead">{words["figures_lead"]}</p>'
    site.write(page, words["figures"], body + provenance.figures(REPOSITORY, site.link(page), words))


def widgets(site: Site, language: str) -> None:
    """The four widgets as pages of their own, and the page that lists them, with a picture of each."""
    words, page = LANGUAGES[language], f"{FOLDERS[language]}widgets.html"
    folder, cards = site.out / FOLDERS[language] / "widgets", ""
    folder.mkdir(parents=True)
    with speaking(language):
        for name, make in EXAMPLES.items():
            made, what = make(), words["widget"][name]
            back = f'<body><nav><a href="../widgets.html">{words["back"]}</a></nav><main>'
            head = f'<h2 style="font: inherit">{what}</h2><div id="here">'
            text = made.page().replace("<body><main>", back, 1).replace('<div id="here">', head, 1)
            (folder / f"{name}.html").write_text(text, encoding="utf-8")
            with theme():
                picture = made.static()
                translate_texts(picture)
                picture.savefig(folder / f"{name}.png", dpi=80)
            title = translate(made.title)
            cards += (
                f'<li><img alt="" src="widgets/{name}.png"><a href="widgets/{name}.html">{title}</a><p>{what}</p></li>'
            )
    body = f'<h1>{words["widgets"]}</h1><p class="lead">{words["widgets_lead"]}</p>'
    site.write(page, words["widgets"], f'{body}<ul class="cards wide">{cards}</ul>')


def try_it(site: Site) -> None:
    """The page on which the reader's own picture runs through the networks."""
    assets = site.out / "assets"
    facts = networks.write(assets)
    for name in RUNTIME:
        shutil.copy(HERE / "node_modules/onnxruntime-web/dist" / name, assets)
    facts["bytes"] |= {RUNTIME[1]: (assets / RUNTIME[1]).stat().st_size}
    (assets / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    (assets / "explorer.js").write_text(source("kit.js", "affinity.js"), encoding="utf-8")
    (assets / "kit.css").write_text(source("kit.css"), encoding="utf-8")
    records = [read(REPOSITORY / "data/runs/streets_tinynet" / f"{row}_seed0.jsonl") for row in ("baseline", "dsrl")]
    baseline, dsrl = (f"{100 * lines[-1]['logits']['miou']:.1f}" for lines in records)
    parameters = round(records[0][0]["parameters"] / 1000)
    for language, words in LANGUAGES.items():
        honest = words["try_honest"].format(baseline=baseline, dsrl=dsrl, parameters=parameters)
        with speaking(language):
            explorer = spoken("affinity", facts["sources"]) | {"title": translate(AffinityExplorer.title)}
            names = {name: translate(name) for name in (shown["name"] for shown in facts["classes"])}
        messages = json.dumps(words["messages"] | {"explorer": explorer, "names": names}, ensure_ascii=False)
        body = site.templates.get_template("try.html.j2").render(t=words, honest=honest, messages=messages)
        page = f"{FOLDERS[language]}try.html"
        site.write(page, words["try"], body, styles=("kit.css",), scripts=("try.js",), policy=OFFLINE)


@contextmanager
def speaking(chosen: str) -> Iterator[None]:
    """The kit's own texts in one language of the site."""
    before = current_language()
    choose_language(chosen)
    try:
        yield
    finally:
        choose_language(before)


def _text(name: str, begin: str = "", end: str = "") -> str:
    """A page of the repository without its line of languages, or what stands between two of its marks."""
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    if begin:
        return text.partition(begin)[2].partition(end)[0]
    return re.sub(LANGUAGE_LINE, "", text, count=1, flags=re.MULTILINE)


def _first_cell(name: str) -> str:
    return "".join(json.loads((REPOSITORY / name).read_text(encoding="utf-8"))["cells"][0]["source"])


def _beginning(text: str) -> tuple[str, str]:
    """The title of a Markdown text, and its first paragraph."""
    title, _, rest = text.partition("\n")
    return title.lstrip("# "), rest.strip().partition("\n\n")[0]
