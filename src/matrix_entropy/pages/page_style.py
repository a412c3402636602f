"""The one style sheet of all pages: for a phone, a desk and paper; fonts are the reader's own."""

STYLE = """
:root { color-scheme: light; --ink: #1b1b1f; --soft: #52525b; --line: #d8d8de; --link: #00558c; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body { margin: 0; background: #fff; color: var(--ink); overflow-wrap: break-word;
  font: 1rem/1.6 system-ui, "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; }
main, .pages ul { max-width: 60rem; margin: 0 auto; padding: 0 1rem; }
main { padding-bottom: 4rem; }
.pages { background: #f4f5f7; border-bottom: 1px solid var(--line); }
.pages ul { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1.1rem;
  padding-top: .5rem; padding-bottom: .5rem; }
.pages a { display: inline-block; padding: .25rem 0; text-decoration: none; }
.pages a[aria-current] { color: var(--ink); font-weight: 650;
  box-shadow: inset 0 -2px var(--link); }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; background: #fff; }
a { color: var(--link); }
h1, h2, h3, h4 { line-height: 1.25; margin: 2.2rem 0 .7rem; text-wrap: balance; }
h1 { font-size: 1.75rem; margin-top: 1.6rem; }
h2 { font-size: 1.35rem; padding-top: .6rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.1rem; }
p, ul, ol { margin: .7rem 0; }
.contents { font-size: .95rem; border-left: 3px solid var(--line); padding-left: 1rem; }
.contents ul { margin: 0; padding: 0; list-style: none; }
code, pre { font-family: ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", monospace;
  font-size: .875em; }
pre { background: #f6f6f8; padding: .7rem .9rem; overflow-x: auto; line-height: 1.45; }
blockquote, .stand-in { margin: 1rem 0; padding: .6rem 1rem; border-left: 4px solid #b45309;
  background: #fef6e7; }
.scroll { overflow-x: auto; max-width: 100%; margin: 1rem 0; }
.scroll:focus-visible { outline: 2px solid var(--link); }
table { border-collapse: collapse; font-size: .9rem; line-height: 1.4;
  font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
th { border-bottom: 2px solid #9a9aa5; }
th:first-child, td:first-child { padding-left: .2rem; }
td { max-width: 26rem; }
figure { margin: 1.2rem 0; }
figure .scroll { margin: 0; }
img { display: block; height: auto; margin: 0 auto; max-width: max(100%, 36rem); }
ul:has(img.small) { list-style: none; padding: 0; display: grid; gap: 1.6rem 1.2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); font-size: .9rem; }
img.small { margin: 0 0 .5rem; max-width: 100%; max-height: 15rem; object-fit: contain;
  object-position: left; width: auto; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .3rem; }
.formula { overflow-x: auto; overflow-y: hidden; padding: .3rem 0; text-align: center; }
math { font-size: 1.05em; font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math",
  "DejaVu Math TeX Gyre", math, serif; }
details { margin: .4rem 0; color: var(--soft); font-size: .85rem; }
summary { cursor: pointer; }
@media (max-width: 40rem) {
  h1 { font-size: 1.45rem; }
  h2 { font-size: 1.2rem; }
  table { width: max-content; }
  td, th { max-width: 8rem; }
}
@media print {
  @page { size: A4; margin: 16mm 14mm; }
  body { font-size: 10pt; line-height: 1.45; }
  main { max-width: none; padding: 0; }
  .pages, .skip, details { display: none; }
  h1, h2, h3, h4 { break-after: avoid; }
  h2 { border-top: 0; }
  p, li { orphans: 3; widows: 3; }
  figure, tr, .formula, .stand-in { break-inside: avoid; }
  figcaption { break-before: avoid; }
  .scroll { overflow: visible; }
  img { max-width: 100%; max-height: 225mm; object-fit: contain; }
  table { font-size: 7pt; }
  th, td { padding: .12rem .3rem; overflow-wrap: anywhere; }
  thead { display: table-header-group; }
  a { color: inherit; text-decoration: none; }
}
"""
