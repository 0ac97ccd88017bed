"""How the pages look: colours for light and dark, one sheet for each part, and the frame.

Every part of a Panel page lives in a shadow root of its own. Colours are custom
properties, which are inherited into those; each is a `light-dark()` pair, so that one
`color-scheme` on the root switches them all without asking the server. Widths are those
of the page's own box (container queries), so that it also fits a notebook cell.
"""

from __future__ import annotations

from typing import Final

NARROW: Final = "@container (max-width: 760px)"
PALETTE: Final = (
    "#4878b0", "#e8873a", "#57a05a", "#d65f5f", "#8f78b8", "#3fa7a0",
    "#c9a227", "#a9745c", "#d581b4", "#7c8a3c", "#5b6bd0",
)  # fmt: skip
OTHER_COLOUR: Final = "#98a2ad"

_COLOURS: Final = """
  --wb-page: light-dark(#f7f8f9, #14171a);
  --wb-surface: light-dark(#ffffff, #1a1e22);
  --wb-raised: light-dark(#f1f3f5, #22272d);
  --wb-chosen: light-dark(#e2ecfa, #1e3350);
  --wb-line: light-dark(#dde1e6, #31373e);
  --wb-edge: light-dark(#c3cad2, #454d57);
  --wb-text: light-dark(#1b1f24, #e4e7eb);
  --wb-muted: light-dark(#59636e, #9ba5b0);
  --wb-link: light-dark(#1a5fb4, #86b4f5);
  --wb-error: light-dark(#b3261e, #ff8f85);
  --wb-warning: light-dark(#8a5a00, #f0bd5c);
  --wb-good: light-dark(#2b6e35, #7fc98a);
  --wb-value: light-dark(#0b6b58, #6fd0b8);
  --wb-error-soft: light-dark(#fbeceb, #3a2120);
  --wb-mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  --wb-sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
  --design-background-color: var(--wb-page);
  --design-background-text-color: var(--wb-text);
  --design-surface-color: var(--wb-surface);
  --design-surface-text-color: var(--wb-text);
  --panel-primary-color: var(--wb-link);
"""

ROOT: Final = f"""
:host {{
  {_COLOURS}
  container-type: inline-size;
  display: block !important;
  background: var(--wb-page);
  color: var(--wb-text);
  font: 13px/1.45 var(--wb-sans);
  box-sizing: border-box;
  padding: 0 16px 24px;
}}
{NARROW} {{ .wb-body, .wb-bar {{ max-width: 100%; }} }}
"""

BOX: Final = """
:host { min-width: 0; }
"""

CARD: Final = """
:host { min-width: 0; background: var(--wb-surface); border: 1px solid var(--wb-line); border-radius: 6px;
  padding: 10px 12px 14px; box-sizing: border-box; }
"""

LOG: Final = f"""
:host {{ display: grid !important; grid-template-columns: 216px minmax(0, 1fr); gap: 0 16px; min-width: 0;
  align-items: start; }}
:host(.wb-open) {{ grid-template-columns: 216px minmax(0, 1fr) minmax(380px, 36%); }}
.wb-filter-toggle {{ display: none; }}
@container (max-width: 1080px) {{
  :host(.wb-open) {{ grid-template-columns: minmax(0, 1fr) minmax(360px, 45%); }}
  :host(.wb-open) > .wb-side {{ display: none !important; }}
}}
{NARROW} {{
  :host, :host(.wb-open) {{ grid-template-columns: minmax(0, 1fr); }}
  :host(:not(.wb-filtering)) > .wb-side {{ display: none !important; }}
  :host(.wb-open) > .wb-side, :host(.wb-open) > .wb-list {{ display: none !important; }}
}}
"""

TOGGLE: Final = f"""
:host {{ display: none !important; }}
{NARROW} {{ :host {{ display: block !important; }} }}
"""

BAR: Final = """
:host {
  display: flex !important; flex-direction: row !important; flex-wrap: wrap;
  align-items: center; gap: 4px 8px; min-width: 0;
}
"""

PAIR: Final = """
:host { display: grid !important; grid-template-columns: 1fr 1fr; gap: 0 6px; min-width: 0; }
"""

PAGER: Final = """
.wb-status { flex: 1 1 170px !important; width: auto !important; }
"""

SPREAD: Final = """
:host { flex-wrap: nowrap; width: 100%; }
.wb-title { flex: 1 1 auto !important; }
"""

TOP: Final = """
:host { border-bottom: 1px solid var(--wb-line); padding: 4px 44px 0 0; box-sizing: border-box; }
"""

TEXT: Final = """
:host { font: 13px/1.45 var(--wb-sans); color: var(--wb-text); min-width: 0; }
* { box-sizing: border-box; }
h1 { font-size: 19px; line-height: 1.3; font-weight: 600; margin: 4px 0 0; overflow-wrap: anywhere; }
h2 { font-size: 13px; line-height: 20px; font-weight: 600; margin: 0; overflow-wrap: anywhere; }
h2 span { color: var(--wb-muted); font-weight: 400; margin-left: 6px; }
p { margin: 4px 0; }
.muted, .note { color: var(--wb-muted); }
.facts { display: flex; flex-wrap: wrap; gap: 2px 22px; margin: 2px 0 0; color: var(--wb-muted); }
.facts b { color: var(--wb-text); font-weight: 600; font-variant-numeric: tabular-nums; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; padding: 6px 2px 0; font-size: 12px;
  color: var(--wb-muted); }
.legend .key { overflow-wrap: anywhere; }
.legend i { display: inline-block; width: 9px; height: 9px; border-radius: 2px; margin-right: 5px; }
.notice { border: 1px solid var(--wb-line); border-radius: 6px; padding: 22px 16px; text-align: center;
  color: var(--wb-muted); background: var(--wb-surface); overflow-wrap: anywhere; }
.notice b { color: var(--wb-text); font-weight: 600; }
.notice.error { border-color: var(--wb-error); background: var(--wb-error-soft); text-align: left;
  padding: 10px 14px; }
.notice.error b { color: var(--wb-error); }
.notice.small { padding: 6px 12px; text-align: left; }
.notice p { margin: 4px 0 0; }
.loading { color: var(--wb-muted); padding: 10px 0; }
.loading::before { content: ""; display: block; height: 2px; margin-bottom: 8px; border-radius: 1px;
  background: linear-gradient(90deg, transparent, var(--wb-link), transparent) no-repeat;
  background-size: 30% 100%; animation: slide 1.2s linear infinite; }
.loading.tall { min-height: 240px; }
.loading.measured::before { animation: none; background-size: var(--done) 100%;
  background-image: linear-gradient(var(--wb-link), var(--wb-link)); }
@keyframes slide { from { background-position: -40% 0; } to { background-position: 140% 0; } }
@media (prefers-reduced-motion: reduce) { .loading::before { animation: none; } }
"""

PAYLOAD: Final = (
    TEXT
    + """
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 1px 12px; margin: 0; }
dt { color: var(--wb-muted); }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
pre, .tree, .mono { font: 12px/1.5 var(--wb-mono); }
pre { margin: 4px 0; padding: 6px 8px; background: var(--wb-raised); border-radius: 4px;
  overflow: auto; max-height: 300px; }
pre.hex { font-size: 11px; }
pre.wrap { white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; border-radius: 3px; }
summary:hover { background: var(--wb-raised); }
.tree { overflow-wrap: anywhere; }
.tree > details > summary { display: none; }
.tree details, .tree .leaf { margin-left: 16px; }
.tree .leaf { padding-left: 14px; }
.tree > details, .tree > details > details { margin-left: 0; }
.tree > details > .leaf { margin-left: 0; }
.tree > .leaf { padding: 0; margin: 0; }
.key { color: var(--wb-link); margin-right: 8px; }
.wrapper { color: var(--wb-muted); font: 11px var(--wb-sans); border: 1px solid var(--wb-line);
  border-radius: 3px; padding: 0 4px; margin-right: 8px; }
.text { white-space: pre-wrap; }
.text i { color: var(--wb-muted); }
.number { color: var(--wb-value); }
.none, .size { color: var(--wb-muted); }
.size { font: 11px var(--wb-sans); }
.error { color: var(--wb-error); } .warning { color: var(--wb-warning); }
.problem { border-left: 3px solid; padding: 2px 0 2px 8px; margin: 0 0 6px; overflow-wrap: anywhere; }
.problem.info { border-color: var(--wb-muted); }
.problem p { color: var(--wb-text); }
"""
)

INPUT: Final = """
:host { font: 13px/1.4 var(--wb-sans); color: var(--wb-text); min-width: 0; }
label, .bk-input-group > label { font-size: 11px; color: var(--wb-muted); margin: 0 0 1px; padding: 0; }
.bk-input { font: 13px var(--wb-sans); height: 28px; min-height: 28px; padding: 0 8px; border-radius: 4px;
  border: 1px solid var(--wb-edge); background-color: var(--wb-surface); color: var(--wb-text); }
.bk-input::placeholder { color: var(--wb-muted); opacity: .75; }
.bk-input:focus { border-color: var(--wb-link); box-shadow: 0 0 0 1px var(--wb-link); outline: none; }
select.bk-input { appearance: auto; background-image: none; padding: 0 4px; }
.bk-menu > *, .bk-menu .bk-menu-item { color: var(--wb-text); font-size: 12px; overflow-wrap: anywhere; }
.bk-menu > .bk-active, .bk-menu > :hover { background: var(--wb-chosen) !important; color: var(--wb-text) !important; }
.bk-menu, .bk-autocomplete-menu { background: var(--wb-surface); color: var(--wb-text);
  border: 1px solid var(--wb-line); }
"""

CHECKS: Final = (
    INPUT
    + """
:host { max-height: 236px; overflow-y: auto; overflow-x: hidden; border: 1px solid var(--wb-edge);
  border-radius: 4px; background: var(--wb-surface); }
.bk-input-group { padding: 3px 6px; }
.bk-input-group > label { display: flex; flex-wrap: nowrap; align-items: flex-start; gap: 5px; font-size: 12px; padding: 1px 0;
  color: var(--wb-text); cursor: pointer; margin: 0; }
.bk-input-group > label:hover { background: var(--wb-raised); }
.bk-input-group > label > input { accent-color: var(--wb-link); margin: 0; flex: none; position: relative; top: 2.5px; }
.bk-input-group > label > span { overflow-wrap: anywhere; line-height: 18px; }
"""
)

BUTTON: Final = """
:host { font: 13px var(--wb-sans); }
.bk-btn, .bk-btn.bk-btn-default { font: 13px var(--wb-sans); height: 28px; padding: 0 10px; border-radius: 4px;
  border: 1px solid var(--wb-edge); background: var(--wb-surface); color: var(--wb-text); box-shadow: none; }
:host(:not(.wb-link, .wb-tab)) .bk-btn { border: 1px solid var(--wb-edge) !important; }


:host(.wb-tab) .bk-btn.bk-btn-default, :host(.wb-link) .bk-btn.bk-btn-default { background: none; border-color: transparent; }
:host(.wb-link) .bk-btn.bk-btn-default { color: var(--wb-link); }
.bk-btn:hover:not([disabled]) { background: var(--wb-raised); border-color: var(--wb-muted); color: var(--wb-text); }
.bk-btn:focus-visible { outline: 2px solid var(--wb-link); outline-offset: 1px; }
.bk-btn[disabled] { opacity: .45; cursor: default; }
:host(.wb-link) .bk-btn { border: 0; background: none; color: var(--wb-link); padding: 0 2px; height: 22px; }
:host(.wb-link) .bk-btn:hover { text-decoration: underline; background: none; }
:host(.wb-tab) .bk-btn { border: 0; border-radius: 0; background: none; color: var(--wb-muted); height: 34px;
  border-bottom: 2px solid transparent; padding: 0 4px; margin-right: 12px; }
:host(.wb-tab) .bk-btn:hover { color: var(--wb-text); }
:host(.wb-tab.wb-here) .bk-btn { color: var(--wb-text); border-bottom-color: var(--wb-link); font-weight: 600; }
"""

GRID: Final = """
:host { min-width: 0; font: 12px/1.4 var(--wb-sans); }
.tabulator.tabulator { background: var(--wb-surface); color: var(--wb-text); border: 1px solid var(--wb-line);
  border-radius: 4px; font: 12px/1.4 var(--wb-sans); }
.tabulator .tabulator-header.tabulator-header, .tabulator .tabulator-header .tabulator-col.tabulator-col {
  background: var(--wb-surface); color: var(--wb-muted); border-color: var(--wb-line); font-weight: 500; }
.tabulator .tabulator-header.tabulator-header { border-bottom: 1px solid var(--wb-line); }
.tabulator .tabulator-header .tabulator-col.tabulator-col { border-right: 0; }
.tabulator .tabulator-header .tabulator-col.tabulator-sortable:hover { background: var(--wb-raised); }
.tabulator .tabulator-header .tabulator-col .tabulator-col-content.tabulator-col-content { padding: 5px 8px; }
.tabulator .tabulator-header .tabulator-col.tabulator-sortable .tabulator-col-title.tabulator-col-title {
  padding-right: 0; overflow: visible; }
.tabulator .tabulator-col .tabulator-col-sorter { display: none !important; }
.tabulator .tabulator-col[aria-sort="ascending"] .tabulator-col-sorter,
.tabulator .tabulator-col[aria-sort="descending"] .tabulator-col-sorter { display: flex !important; right: -6px !important; }
.tabulator .tabulator-tableholder.tabulator-tableholder, .tabulator .tabulator-tableholder .tabulator-table.tabulator-table {
  background: var(--wb-surface); color: var(--wb-text); }
.tabulator .tabulator-row.tabulator-row { background: var(--wb-surface); color: var(--wb-text); min-height: 0;
  border-bottom: 1px solid var(--wb-line); }
.tabulator .tabulator-row.tabulator-row:last-child { border-bottom: 0; }
.tabulator .tabulator-row .tabulator-cell.tabulator-cell { padding: 3px 8px; border-right: 0; }
.tabulator .tabulator-row.tabulator-row:hover { background: var(--wb-raised); cursor: pointer; }
.tabulator .tabulator-row.tabulator-row.tabulator-selected { background: var(--wb-chosen); }
.tabulator .tabulator-row .tabulator-cell.wb-mono { font: 11.5px/17px var(--wb-mono); }
.tabulator .tabulator-row .tabulator-cell.wb-quiet { color: var(--wb-muted); }
.tabulator .tabulator-row .tabulator-cell.wb-go { color: var(--wb-link); }
.tabulator .tabulator-row .tabulator-cell.wb-wrap { white-space: normal; }
"""

PLOT: Final = """
:host { background: var(--wb-surface); border: 1px solid var(--wb-line); border-radius: 4px; min-width: 0; }
.xtick text, .ytick text { fill: var(--wb-muted) !important; }
.legend text { fill: var(--wb-text) !important; }
.nsewdrag { cursor: pointer !important; }
.axistext { display: none; }
"""

LOST: Final = 'document.getElementById("wb-lost").style.display = "block"'

HTML: Final = """
{% block preamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark; }
  body { margin: 0; background: light-dark(#f7f8f9, #14171a); }
  #wb-theme { position: absolute; top: 7px; right: 14px; z-index: 5; width: 28px; height: 28px; padding: 0;
    border: 1px solid light-dark(#dde1e6, #31373e); border-radius: 4px; cursor: pointer;
    background: light-dark(#fff, #1a1e22); color: light-dark(#59636e, #9ba5b0); font: 14px system-ui; }
  #wb-lost { display: none; position: fixed; inset: auto 16px 16px; z-index: 9; padding: 10px 14px;
    border-radius: 6px; background: light-dark(#1b1f24, #e4e7eb); color: light-dark(#fff, #14171a);
    font: 13px system-ui; }
</style>
<script>
  // The choice of light or dark is the browser's: by its setting, or as chosen here before.
  const chosen = localStorage.getItem("wb-scheme");
  if (chosen) document.documentElement.style.colorScheme = chosen;
  function wbSwitch() {
    const root = document.documentElement;
    const dark = root.style.colorScheme
      ? root.style.colorScheme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.style.colorScheme = dark ? "light" : "dark";
    localStorage.setItem("wb-scheme", root.style.colorScheme);
  }
  // Panel writes the address but does not listen to Back and Forward.
  addEventListener("popstate", () => {
    const models = (window.Bokeh?.documents ?? []).flatMap((doc) => doc.roots());
    const here = models.find((model) => model.type.endsWith("Location"));
    if (!here) return location.reload();
    const push = history.pushState;
    history.pushState = () => {};
    here.search = location.search;
    history.pushState = push;
  });
</script>
{% endblock %}
{% block contents %}
<button id="wb-theme" type="button" onclick="wbSwitch()" title="Light or dark"
  aria-label="Switch between light and dark">◐</button>
{{ super() }}
<div id="wb-lost" role="alert">The server has stopped, or cannot be reached. Reload the page when it is back.</div>
{% endblock %}
"""
