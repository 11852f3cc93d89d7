"""How the widget looks; colours are the notebook theme's own, light or dark."""

CSS = """
.ha-lookup {
  --ha-text: var(--jp-ui-font-color1, #212121);
  --ha-muted: var(--jp-ui-font-color2, #616161);
  --ha-line: var(--jp-border-color2, #e0e0e0);
  --ha-surface: var(--jp-layout-color1, #ffffff);
  --ha-raised: var(--jp-layout-color2, #f3f4f6);
  --ha-accent: var(--jp-brand-color1, #1976d2);
  --ha-good: var(--jp-success-color1, #2e7d32);
  --ha-bad: var(--jp-error-color1, #c62828);
  --ha-warn: var(--jp-warn-color1, #b26a00);
  --ha-mono: var(--jp-code-font-family, ui-monospace, monospace);
  max-width: 1100px;
  padding: 4px 2px 8px;
  gap: 8px;
  color: var(--ha-text);
}
.ha-lookup .widget-html-content {
  line-height: 1.45; font-size: var(--jp-ui-font-size1, 13px); color: var(--ha-text); overflow: visible;
}
.ha-lookup .widget-html, .ha-lookup .widget-html-content { width: 100%; height: auto; margin: 0; }
.ha-lookup .ha-row { display: flex; flex-wrap: wrap; gap: 6px 8px; align-items: center; overflow: visible; }
.ha-lookup .ha-entry { flex: 1 1 420px; width: auto; }
.ha-lookup .ha-entry input { height: 32px; font-size: 14px; }
.ha-lookup .ha-entry label, .ha-lookup .ha-entry { line-height: 32px; height: 32px; }
.ha-lookup .ha-row button { height: 32px; width: auto; padding: 0 14px; border-radius: 3px; }
.ha-lookup button:focus-visible, .ha-lookup summary:focus-visible, .ha-lookup .ha-scroll:focus-visible,
.ha-lookup a:focus-visible { outline: 2px solid var(--ha-accent); outline-offset: 1px; }
.ha-lookup a { color: var(--jp-content-link-color, var(--ha-accent)); text-decoration: none; }
.ha-lookup a:hover { text-decoration: underline; }
.ha-lookup code { font-family: var(--ha-mono); font-size: 0.92em; color: inherit; background: none; padding: 0; }
.ha-lookup .ha-muted, .ha-lookup .ha-clock { color: var(--ha-muted); margin: 4px 0 0; font-size: 0.92em; }

.ha-lookup .ha-matches { gap: 0; border: 1px solid var(--ha-line); border-radius: 4px; overflow: hidden; }
.ha-lookup .ha-matches .widget-html-content { padding: 4px 10px; background: var(--ha-raised); }
.ha-lookup .ha-matches button.ha-match {
  width: 100%; height: 30px; line-height: 30px; margin: 0; padding: 0 10px; text-align: left; background: none;
  color: var(--ha-text); border-top: 1px solid var(--ha-line); border-radius: 0; box-shadow: none;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; flex: none;
}
.ha-lookup .ha-matches button.ha-match:hover { background: var(--ha-raised); }
.ha-lookup .ha-matches button.ha-match:focus-visible { outline-offset: -2px; }

.ha-lookup .ha-standing .widget-html { width: auto; flex: none; max-width: 100%; }
.ha-lookup .ha-notice { padding: 2px 10px; border-left: 3px solid var(--ha-line); }
.ha-lookup .ha-good { border-color: var(--ha-good); }
.ha-lookup .ha-bad { border-color: var(--ha-bad); }
.ha-lookup .ha-busy { border-color: var(--ha-accent); animation: ha-pulse 1.2s ease-in-out infinite alternate; }
@keyframes ha-pulse { to { border-color: transparent; } }
@media (prefers-reduced-motion: reduce) { .ha-lookup .ha-busy { animation: none; } }
.ha-lookup .ha-clock { font-variant-numeric: tabular-nums; }
.ha-lookup ul.ha-failures { margin: 2px 0; padding: 6px 10px 6px 26px; border-left: 3px solid var(--ha-bad); }
.ha-lookup .ha-failures details { color: var(--ha-muted); font-size: 0.92em; overflow-wrap: anywhere; }

.ha-lookup .ha-card { border: 1px solid var(--ha-line); border-radius: 6px; padding: 14px 16px 10px; background: var(--ha-surface); }
.ha-lookup .ha-card header { display: flex; gap: 12px; align-items: flex-start; justify-content: space-between; }
.ha-lookup .ha-card h3 { margin: 0; font-size: 17px; line-height: 1.3; font-weight: 600; overflow-wrap: anywhere; }
.ha-lookup .ha-sub { margin: 2px 0 10px; color: var(--ha-muted); display: flex; flex-wrap: wrap; gap: 2px 16px; }
.ha-lookup dl { display: flex; flex-wrap: wrap; margin: 0; gap: 8px 28px; }
.ha-lookup dl > div { min-width: 84px; }
.ha-lookup dt { color: var(--ha-muted); font-size: 11px; font-weight: 400; margin: 0; width: auto; float: none; }
.ha-lookup dd { margin: 0; width: auto; float: none; }
.ha-lookup .ha-figures dd { font-size: 18px; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.3; }
.ha-lookup .ha-facts { margin-top: 10px; padding-top: 8px; border-top: 1px solid var(--ha-line); }
.ha-lookup .ha-facts dd { font-variant-numeric: tabular-nums; }

.ha-lookup .ha-badge {
  display: inline-flex; align-items: center; gap: 6px; white-space: nowrap; font-size: 0.92em; --ha-dot: var(--ha-muted);
}
.ha-lookup .ha-badge::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: var(--ha-dot); }
.ha-lookup .ha-card .ha-badge { border: 1px solid var(--ha-line); border-radius: 12px; padding: 1px 10px; }
.ha-lookup .ha-completed { --ha-dot: var(--ha-good); }
.ha-lookup .ha-error { --ha-dot: var(--ha-bad); }
.ha-lookup .ha-running { --ha-dot: var(--ha-accent); }
.ha-lookup .ha-aborted { --ha-dot: var(--ha-warn); }

.ha-lookup figure { margin: 0; }
.ha-lookup figure img { display: block; width: 100%; max-width: 1000px; height: auto; border-radius: 6px; border: 1px solid var(--ha-line); }

.ha-lookup .ha-scroll { max-height: 520px; overflow: auto; border: 1px solid var(--ha-line); border-radius: 6px; margin-bottom: 8px; }
.ha-lookup table {
  border-collapse: collapse; width: 100%; margin: 0; font-size: 12.5px; line-height: 1.4; color: var(--ha-text);
  font-variant-numeric: tabular-nums; border: none; table-layout: auto;
}
.ha-lookup caption { text-align: left; padding: 6px 10px; color: var(--ha-muted); caption-side: top; }
.ha-lookup th, .ha-lookup td {
  padding: 4px 10px; text-align: left; vertical-align: top; border: none; font-weight: 400; max-width: none; white-space: normal;
}
.ha-lookup thead th {
  position: sticky; top: 0; background: var(--ha-raised); color: var(--ha-muted); font-size: 11px; white-space: nowrap; z-index: 1;
}
.ha-lookup tbody tr, .ha-lookup tbody tr:nth-child(odd), .ha-lookup tbody tr:hover, .ha-lookup tfoot tr { background: none; }
.ha-lookup .ha-num { text-align: right; white-space: nowrap; }
.ha-lookup .ha-when { white-space: nowrap; }
.ha-lookup .ha-words { color: var(--ha-muted); min-width: 180px; overflow-wrap: anywhere; }
.ha-lookup .ha-tasks tbody tr, .ha-lookup .ha-steps tbody tr, .ha-lookup .ha-turns .ha-turn { border-top: 1px solid var(--ha-line); }
.ha-lookup .ha-turn:hover { background: var(--ha-raised); }
.ha-lookup .ha-turn tr:last-child td { padding-top: 0; padding-bottom: 6px; }
.ha-lookup .ha-task th { font-weight: 600; padding-top: 10px; border-top: 1px solid var(--ha-line); }
.ha-lookup tfoot th, .ha-lookup tfoot td { border-top: 2px solid var(--ha-line); font-weight: 600; }
.ha-lookup .ha-share { background: linear-gradient(to left, color-mix(in srgb, var(--ha-accent) 22%, transparent) var(--ha-share), transparent 0); }
.ha-lookup small { color: var(--ha-muted); display: inline-block; min-width: 64px; }
.ha-lookup summary { cursor: pointer; overflow-wrap: anywhere; }
.ha-lookup .ha-whole { padding: 4px 0 8px 14px; }
.ha-lookup h5 { margin: 8px 0 2px; font-size: 11px; font-weight: 600; color: var(--ha-muted); }
.ha-lookup pre {
  margin: 0; padding: 8px 10px; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 320px; overflow: auto; border-radius: 4px;
  font-family: inherit; font-size: 13px; background: var(--ha-raised); color: var(--ha-text); border: none;
}
.ha-lookup pre.ha-code { font-family: var(--ha-mono); font-size: 12px; }
.ha-lookup ul.ha-files { margin: 0; padding-left: 20px; }
.ha-lookup .ha-history select { width: 100%; }

.ha-static { display: none; }
.jp-OutputArea-child:has(.ha-static) { display: none; }
"""
"""The last two rules hide the static copy of the answer where the widget itself is alive."""
