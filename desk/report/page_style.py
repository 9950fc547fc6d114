"""The page's style sheet: no font, picture or script from outside, light and dark, printable."""

from __future__ import annotations

from desk.report.palette import css_variables


def style_sheet() -> str:
    """CSS text; colours are the palette's variables, so pictures and page change together."""
    dark = f"@media (prefers-color-scheme:dark){{:root{{{css_variables(1)}--card:#1b2229;--up:#62b5ec;--down:#f28c45}}}}"
    return f":root{{color-scheme:light dark;{css_variables(0)}--card:#f4f6f8;--up:#0b6ba8;--down:#b34a00}}{dark}{RULES}"


RULES = """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:2.5rem 1.25rem 4rem}
h1{font-size:1.8rem;line-height:1.2;margin:0 0 1.1rem;letter-spacing:-.01em}
h2{font-size:1.2rem;margin:2.75rem 0 .75rem;padding-top:.75rem;border-top:1px solid var(--rule)}
p{margin:.5rem 0;max-width:48rem}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.25rem;margin:0 0 1.75rem}
dl.facts dt{color:var(--muted)}
dl.facts dd{margin:0;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:.75rem;margin:0 0 .75rem}
.card{background:var(--card);border-radius:10px;padding:.8rem 1rem}
.card b{display:block;font-size:1.45rem;line-height:1.3;font-variant-numeric:tabular-nums;font-weight:650}
.card span{display:block;color:var(--muted);font-size:.875rem}
.plain{border-left:3px solid var(--rule);padding:.1rem 0 .1rem .9rem;color:var(--muted)}
ul{margin:.5rem 0;padding-left:1.2rem;max-width:48rem}
li{margin:.2rem 0}
figure{margin:1rem 0 1.75rem;overflow-x:auto}
figure svg{display:block;width:100%;min-width:44rem;height:auto}
figure svg *{stroke-linejoin:round;stroke-linecap:butt}
figure svg text{font-family:inherit!important}
.wide{overflow-x:auto;margin:.5rem 0}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums;min-width:100%}
th{color:var(--muted);font-weight:600;text-align:left}
th,td{padding:.38rem .7rem .38rem 0;border-bottom:1px solid var(--rule);vertical-align:top;white-space:nowrap}
tr>:last-child{padding-right:0}
.n{text-align:right}
.w{white-space:normal;display:block;min-width:16rem}
.up{color:var(--up)}
.down{color:var(--down)}
.quiet{color:var(--muted)}
footer{margin-top:3rem;color:var(--muted);font-size:.875rem}
@media print{figure svg{min-width:0}main{padding:0;max-width:none}figure,.card,tr{break-inside:avoid}h2{break-after:avoid}}
"""
