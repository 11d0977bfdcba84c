"""How the page looks: on a screen, light or dark as the reader prefers, and printed. No fonts or images of its own."""

from __future__ import annotations

__all__ = ["STYLE"]

# name -> (light, dark). Outcomes have the colours of `llbuild graph`: a ground, and a line around it.
_COLOURS = {
    "page": ("#ffffff", "#0d1117"),
    "card": ("#f6f8fa", "#151b23"),
    "ink": ("#1f2328", "#e6edf3"),
    "faint": ("#57606a", "#9ba5b0"),
    "rule": ("#d1d9e0", "#30363d"),
    "grid": ("#e4e9ee", "#22282f"),
    "hover": ("#eef2f6", "#1b222b"),
    "link": ("#0b5cad", "#6cb0ff"),
    "executed": ("#a9cdf7", "#20497c"),
    "executed-line": ("#3569b0", "#4493f8"),
    "cached": ("#dff5e3", "#12351f"),
    "cached-line": ("#3b8a4e", "#3fb950"),
    "failed": ("#fbb9b4", "#7a2320"),
    "failed-line": ("#c4342b", "#f85149"),
    "canceled": ("#fbefc8", "#443610"),
    "canceled-line": ("#a27a10", "#d29922"),
    "unneeded": ("#eceef1", "#1b2027"),
    "unneeded-line": ("#b6bec7", "#454c54"),
    "critical": ("#d1570a", "#f0883e"),
    "wait": ("#c3cbd4", "#414a54"),
}

_FORMS = """
*{box-sizing:border-box}
html{background:var(--page);color:var(--ink);-webkit-print-color-adjust:exact;print-color-adjust:exact}
body{font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;
 max-width:1240px;margin:0 auto;padding:28px 24px 60px}
h1{font-size:26px;line-height:1.25;margin:0 0 2px;overflow-wrap:anywhere}
h2{font-size:18px;margin:40px 0 10px;padding-bottom:6px;border-bottom:1px solid var(--rule)}
h3{font-size:14px;margin:18px 0 4px}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
p{margin:6px 0}
.faint{color:var(--faint)}.right{text-align:right}
code,pre,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono","DejaVu Sans Mono",monospace;
 font-size:12.5px}
pre{margin:8px 0;padding:10px 12px;border:1px solid var(--rule);border-radius:6px;background:var(--card);
 overflow:auto;line-height:1.45;tab-size:8}
pre.tall{max-height:420px}pre.wrap{white-space:pre-wrap;overflow-wrap:anywhere}
.badge{display:inline-block;border:1px solid;border-radius:99px;padding:1px 12px;font-weight:600;font-size:14px;
 vertical-align:4px;margin-left:10px;white-space:nowrap}
.badge.completed{background:var(--cached);border-color:var(--cached-line)}
.badge.failed{background:var(--failed);border-color:var(--failed-line)}
.badge.canceled{background:var(--canceled);border-color:var(--canceled-line)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:10px;margin:18px 0}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:10px 14px}
.tile b{display:block;font-size:21px;line-height:1.3;font-weight:600}
.tile span{color:var(--faint);font-size:13px}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0;font-size:14px}
.facts dt{color:var(--faint)}.facts dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-size:14px}
th{font-weight:600;text-align:left;color:var(--faint);border-bottom:1px solid var(--rule);padding:4px 8px}
td{padding:4px 8px;border-bottom:1px solid var(--grid);vertical-align:top;overflow-wrap:anywhere}
th.right,td.right{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td.share{width:30%;min-width:120px}
.share i{display:inline-block;height:12px;min-width:2px;border:1px solid var(--executed-line);border-radius:2px;
 background:var(--executed);vertical-align:-1px}
.share.critical i{background:var(--critical);border-color:var(--critical);opacity:.85}
tr.sum td{font-weight:600;border-bottom:0}
table.fixed{table-layout:fixed}
ul.names{list-style:none;padding:0;margin:0}.names li{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
ul{margin:6px 0;padding-left:22px}li{margin:2px 0;overflow-wrap:anywhere}
details>summary{cursor:pointer;list-style:none}
details>summary::-webkit-details-marker{display:none}
.more{margin:4px 0}
.more>summary::before{content:"▸ ";color:var(--faint)}.more[open]>summary::before{content:"▾ "}
.scroll{overflow-x:auto}
.scroll svg{display:block;max-width:none}
.keys{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13px;color:var(--faint);margin:4px 0 8px}
.keys i,.keys u{display:inline-block;width:22px;height:12px;vertical-align:-2px;margin-right:6px;border-radius:3px}
.keys i.mark{width:9px;height:9px;vertical-align:-1px;transform:rotate(45deg);border-radius:1px}
.keys u{height:6px;vertical-align:1px}
footer{margin-top:48px;color:var(--faint);font-size:13px}
"""

_GANTT = """
.gantt{border:1px solid var(--rule);border-radius:8px;overflow:hidden;font-size:13px}
.grid{display:grid;grid-template-columns:minmax(160px,34%) 1fr 64px;align-items:center}
.axis{background:var(--card);border-bottom:1px solid var(--rule);height:28px;color:var(--faint)}
.axis>span:first-child,.group,.name{padding:0 6px 0 10px}
.axis .track span{position:absolute;top:4px;padding-left:4px;white-space:nowrap;font-size:12px}
.group{font-weight:600;background:var(--card);border-top:1px solid var(--rule);border-bottom:1px solid var(--grid);
 padding-top:3px;padding-bottom:3px;overflow-wrap:anywhere}
.axis+.group{border-top:0}
.group small{font-weight:400;color:var(--faint);font-size:12px}
.track{position:relative;height:100%;min-height:24px;margin:0 4px;
 background:linear-gradient(to right,var(--grid) 1px,transparent 1px) 0 0/var(--tick) 100%}
.row>summary{min-height:24px}
.row>summary:hover{background:var(--hover)}
.row[open]>summary{background:var(--hover);font-weight:600}
.row:target>summary{outline:2px solid var(--link);outline-offset:-2px}
.name{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.name small{display:inline-block;min-width:2.8em;color:var(--faint);font-size:11px;font-variant-numeric:tabular-nums}
.name b{color:var(--critical)}
.took{text-align:right;padding-right:10px;white-space:nowrap;color:var(--faint);font-variant-numeric:tabular-nums}
.track i,.track u{position:absolute;display:block;border-radius:3px}
.track i{top:5px;height:14px;min-width:3px;border:1px solid}
.track u,.keys u{background:repeating-linear-gradient(135deg,var(--wait) 0 2px,transparent 2px 5px);
 border-top:1px solid var(--wait);border-bottom:1px solid var(--wait)}
.track u{top:9px;height:6px}
i.executed{background:var(--executed);border:1px solid var(--executed-line)}
i.failed{background:var(--failed);border:1px solid var(--failed-line)}
i.canceled{background:var(--canceled);border:1px solid var(--canceled-line)}
i.cached{background:var(--cached);border:1px solid var(--cached-line)}
i.unneeded{background:var(--unneeded);border:1px solid var(--unneeded-line)}
i.critical{border:2px solid var(--critical)}
.track i.mark{width:10px;min-width:0;height:10px;top:7px;margin-left:-5px;transform:rotate(45deg);border-radius:1px}
.inside{padding:8px 14px 12px 20px;background:var(--card);border-top:1px solid var(--grid);
 border-bottom:1px solid var(--grid);min-width:0;overflow-wrap:anywhere}
.inside p{margin:2px 0}
.dim{color:var(--faint);font-size:12px;line-height:24px;padding-left:5px}
.row{content-visibility:auto;contain-intrinsic-size:auto 24px}
"""

_CHART = """
.chart{position:relative;height:150px;border:1px solid var(--rule);border-radius:8px;padding:0;overflow:hidden}
.chart svg{display:block;width:100%;height:100%}
.chart .area{fill:var(--executed);opacity:.55}
.chart .steps{fill:none;stroke:var(--executed-line);stroke-width:1.6;vector-effect:non-scaling-stroke}
.chart .mean{stroke:var(--faint);stroke-width:1.2;stroke-dasharray:6 4;vector-effect:non-scaling-stroke}
.chart .cores{stroke:var(--critical);stroke-width:1.2;stroke-dasharray:2 4;vector-effect:non-scaling-stroke}
.chart span{position:absolute;font-size:12px;padding:0 4px;background:var(--page);border-radius:3px;opacity:.85}
.below{display:flex;justify-content:space-between;color:var(--faint);font-size:12px;padding:2px 2px 0}
"""

_PRINT = """
@media print{
 @page{margin:14mm}
 body{max-width:none;padding:0;font-size:12px}
 h2{break-after:avoid}.tile,.row,tr{break-inside:avoid}
 pre.tall{max-height:none}pre{white-space:pre-wrap;overflow-wrap:anywhere}
 .scroll svg{max-width:100%;height:auto}
 .row{content-visibility:visible}
 a{color:inherit}
}
@media (max-width:700px){.grid{grid-template-columns:40% 1fr 52px}body{padding:16px 12px}}
"""


def _variables(shade: int) -> str:
    return "".join(f"--{name}:{colours[shade]};" for name, colours in _COLOURS.items())


# On paper it is always light.
STYLE = (
    f":root{{color-scheme:light dark;{_variables(0)}}}\n"
    f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(1)}}}}}\n"
    f"{_FORMS}{_GANTT}{_CHART}{_PRINT}"
)
