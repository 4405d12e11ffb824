/** How the status page looks: light and dark, from 400 pixels on, without anything from elsewhere. */

/** Text as HTML shows it, in content and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text
    .toWellFormed()
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;')
    .replace(/'/g, '&#39;');
}

export const STATUS_STYLE = `
:root {
  color-scheme: light dark;
  --page: light-dark(#f6f7f9, #14171c);
  --card: light-dark(#fff, #1d2229);
  --line: light-dark(#dce1e8, #323a45);
  --text: light-dark(#1b222c, #e4e8ee);
  --quiet: light-dark(#5b6675, #9aa6b5);
  --link: light-dark(#0b61c4, #7ab7ff);
  --good: light-dark(#1a8a4a, #4cc381);
  --wait: light-dark(#a86700, #e8ac4d);
  --bad: light-dark(#bf2f2f, #ff8a80);
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 75rem;
  background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif;
}
h1 { margin: 0; font-size: 1.6rem; letter-spacing: -0.01em; }
h1 small { color: var(--quiet); font-weight: 400; font-size: 1rem; }
header p { margin: 0.1rem 0 1rem; color: var(--quiet); overflow-wrap: anywhere; }
header p strong { color: var(--text); font-weight: 600; }
.bad, header p strong.bad { color: var(--bad); }
dl, dd, ol { margin: 0; padding: 0; }
a { color: var(--link); }
.facts { display: flex; flex-wrap: wrap; gap: 0.5rem 2.5rem; }
.facts dt { color: var(--quiet); font-size: 0.8rem; }
.facts dd { font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; }
nav { display: flex; flex-wrap: wrap; gap: 0.5rem; margin-top: 1rem; }
nav a {
  padding: 0.25rem 0.8rem; border: 1px solid var(--line); border-radius: 2rem;
  background: var(--card); text-decoration: none;
}
nav a:hover { border-color: var(--link); }
section { margin-top: 2rem; }
h2 { margin: 0 0 0.75rem; font-size: 1.1rem; }
.flow { display: flex; flex-wrap: wrap; align-items: stretch; gap: 1rem 2.25rem; list-style: none; }
.flow > li { position: relative; flex: 1 1 15rem; min-width: 0; max-width: 24rem; }
.flow > li + li::before {
  content: "→"; position: absolute; left: -1.75rem; top: 2.1rem;
  color: var(--quiet); font-size: 1.25rem; line-height: 1;
}
h3 { margin: 0 0 0.4rem; color: var(--quiet); font-size: 0.8rem; font-weight: 500; }
article {
  margin-bottom: 0.5rem; padding: 0.6rem 0.8rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem;
}
article.failed { border-color: var(--bad); }
h4 { margin: 0; font-size: 0.95rem; font-weight: 600; overflow-wrap: anywhere; }
.state {
  display: inline-block; width: 0.6rem; height: 0.6rem; margin-right: 0.5rem;
  border-radius: 50%; background: var(--quiet);
}
.running .state { background: var(--good); }
.starting .state { background: var(--wait); }
.failed .state { background: var(--bad); border-radius: 0.1rem; }
.reason { margin: 0.2rem 0 0; color: var(--quiet); font-size: 0.85rem; overflow-wrap: anywhere; }
.failed .reason { color: var(--bad); }
article dl { margin-top: 0.35rem; font-size: 0.85rem; }
article dl div { display: flex; justify-content: space-between; gap: 1rem; }
article dt { color: var(--quiet); overflow-wrap: anywhere; }
article dd { font-variant-numeric: tabular-nums; }
article .bad dt { color: inherit; }
footer { margin-top: 2.5rem; color: var(--quiet); font-size: 0.85rem; }
code { font-size: 0.95em; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  .flow { flex-direction: column; gap: 1.75rem; }
  .flow > li { flex: none; max-width: none; }
  .flow > li + li::before { content: "↓"; left: 0.6rem; top: -1.6rem; }
}
`;
