// The search of lixfix explain, for a browser: a port of fixes/messages, which says why each thing is so. It asks nobody.
"use strict";

const lixfixSearch = (() => {
  const D = LIXFIX_DATA, L = D.limits;
  const GAP = 1, QUOTE = 2, COLON = 4, COMMA = 8, LINE = 16;
  const quotes = "'\"`´‘’‚“”„«»‹›";
  const letter = /[\p{L}\p{Nd}]/u, mark = /\p{M}/u;
  const ascii = (c) => (c >= "a" && c <= "z") || (c >= "0" && c <= "9") || (c >= "A" && c <= "Z");
  const lettered = (c) => (c.codePointAt(0) < 0x80 ? ascii(c) : letter.test(c));
  const lower = (c) => String.fromCodePoint(c.toLowerCase().codePointAt(0));
  const escapes = ["\x1b", "\\e", "\\x1b", "\\033", "\\u001b", "^["];

  // The text is an array of characters; offsets are places in it.
  function escapeAt(t, i) {
    let n = 0;
    for (const e of escapes) {
      if (t.slice(i, i + e.length).join("") === e) { n = e.length; break; }
    }
    if (n === 0 || i + n >= t.length) return n;
    const end = Math.min(t.length, i + 64);
    if (t[i + n] === "[") {
      for (let k = i + n + 1; k < end; k++) {
        if (t[k] >= "@" && t[k] <= "~") return k + 1 - i;
        if (t[k] < " " || t[k] > "?") return k - i;
      }
    } else if (t[i + n] === "]") {
      for (let k = i + n + 1; k < end; k++) {
        if (t[k] === "\x07") return k + 1 - i;
        if (t[k] === "\x1b") return Math.min(k + 2, end) - i;
      }
    }
    return t[i] === "\x1b" ? n : 0;
  }

  function prefix(line) {
    line = line.slice(0, 200);
    let n = clock(line);
    if (n > 0) {
      const host = line.indexOf(" ", n) - n;
      if (host > 0) {
        const end = line.indexOf(": ", n + host) - n - host;
        if (end > 0 && !/[ \n]/.test(line.slice(n + host + 1, n + host + end))) n += host + end + 2;
      }
    }
    const m = n === 0 && /^ *> /.exec(line);
    if (m) return m[0].length;
    for (let i = n; i < line.length; i++) {
      if (line[i] === ">" && i > n && line[i + 1] === " ") return i + 2;
      if (!/[a-zA-Z0-9+\-._?=]/.test(line[i])) return n;
    }
    return n;
  }

  function clock(s) {
    const end = s.indexOf(" ");
    if (end >= 19 && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(s)) return end + 1;
    if (s.length > 15 && /^[A-Z][a-z]{2} [\d ]\d \d\d:\d\d:\d\d/.test(s)) {
      const rest = s.slice(15).indexOf(" ");
      if (rest >= 0 && (rest === 0 || s[15] === ".")) return 15 + rest + 1;
    }
    return 0;
  }

  function scan(text) {
    const t = Array.from(text), out = [];
    let line = 1, block = 0, before = GAP | LINE, structured = false, empty = true;
    const begin = (i) => {
      i += prefix(t.slice(i, i + 200).join(""));
      structured = t.slice(i, i + 6).join("") === "@nix {";
      return i;
    };
    for (let i = begin(0); i < t.length;) {
      const c = t[i];
      if (c === "\n") {
        if (empty) block++;
        line++; before |= GAP | LINE; empty = true;
        i = begin(i + 1);
        continue;
      }
      if (c === "\r") {
        i++;
        if (i < t.length && t[i] !== "\n" && t[i] !== "\r") before |= GAP | LINE;
        continue;
      }
      if (c === "\x1b" || c === "\\" || c === "^") {
        const n = escapeAt(t, i);
        if (n > 0) { i += n; continue; }
        if (structured && c === "\\" && t[i + 1] === "n") { before |= GAP | LINE; i += 2; continue; }
      }
      if (lettered(c)) {
        empty = false;
        out.push({ r: lower(c), at: i, line, block, before });
        before = 0;
      } else if (mark.test(c)) {
        // it belongs to the letter before it
      } else if (quotes.includes(c)) before |= GAP | QUOTE;
      else if (c === ":") before |= GAP | COLON;
      else if (c === ",") before |= GAP | COMMA;
      else before |= GAP;
      i++;
    }
    return { t, out };
  }

  const tellingWords = new Set(D.telling);
  const tells = (s) => s.split(/[^\p{L}\p{Nd}]+/u).some((w) => tellingWords.has(w.toLowerCase()));

  function lineOf(t, at, limit) {
    let from = at, to = at;
    while (from > 0 && t[from - 1] !== "\n" && t[from - 1] !== "\r") from--;
    while (to < t.length && t[to] !== "\n" && t[to] !== "\r") to++;
    return t.slice(Math.max(from, at - limit), Math.min(to, at + limit)).join("").replace(/\x1b\[[0-?]*[ -/]*[@-~]/g, "").trim();
  }

  function around(t, from, to) {
    let begin = from, end = to;
    while (begin > 0 && t[begin - 1] !== "\n") begin--;
    while (end < t.length && t[end] !== "\n") end++;
    return t.slice(Math.max(begin, from - L.longestLine), Math.min(end, to + L.longestLine)).join("");
  }

  // Atoms, with the places in patterns where each stands, and the spellings by which it is met.
  const places = new Map(), spelled = new Map();
  D.patterns.forEach((p, pi) => p.parts.forEach((part, n) => {
    if (!places.has(part.text)) {
      places.set(part.text, []);
      for (const s of D.errno[part.text] || [part.text]) if (!spelled.has(s)) spelled.set(s, part.text);
    }
    places.get(part.text).push([pi, n]);
  }));

  function search(t, chars) {
    const stream = chars.map((c) => c.r).join("");
    const wide = stream.length !== chars.length; // characters that JavaScript counts twice
    const index = wide ? chars.flatMap((c, i) => Array(c.r.length).fill(i)) : null;
    const events = [];
    for (const [word, atom] of spelled) {
      const length = Array.from(word).length;
      for (let i = stream.indexOf(word); i >= 0; i = stream.indexOf(word, i + 1)) {
        const begin = wide ? index[i] : i, end = begin + length;
        if (!(chars[begin].before & GAP)) continue;
        if (end < chars.length && !(chars[end].before & GAP)) continue;
        events.push({ begin, end, length, atom });
      }
    }
    events.sort((a, b) => a.end - b.end || b.length - a.length);
    const states = D.patterns.map((p) => Array(p.parts.length).fill(null));
    const best = new Map();
    for (const e of events) {
      const next = e.end < chars.length ? chars[e.end].before : GAP | LINE;
      for (const [pi, n] of places.get(e.atom)) advance(t, chars, states[pi], D.patterns[pi], n, e, next, best);
    }
    return [...best.values()];
  }

  function advance(t, chars, state, p, n, e, next, best) {
    const first = chars[e.begin], last = chars[e.end - 1], part = p.parts[n];
    if (first.block !== last.block) return;
    if (p.strict && part.quoted && !(first.before & QUOTE)) return;
    const now = { begin: e.begin, end: e.end, first: first.line, last: last.line, block: last.block, at: first.at };
    if (n > 0) {
      const b = state[n - 1];
      if (!b) return;
      const gap = e.begin - b.end;
      if (gap < 0 || (part.glued && gap !== 0) || gap > L.widestGap || b.block !== now.block || now.last - b.first > L.mostBreaks) return;
      now.begin = b.begin; now.first = b.first; now.at = b.at;
    }
    state[n] = now;
    if (n < p.parts.length - 1) return;
    if (p.whole && !(chars[now.begin].before & (LINE | COLON | QUOTE))) return;
    if (p.whole && !p.open && !(next & LINE)) return;
    if (p.closing && !(next & QUOTE)) return;
    if (p.strict && !p.open && p.parts.length === 1 && (next & (COMMA | LINE)) === COMMA) return;
    const sure = p.strong || (p.score >= L.someLetters && !p.whole && tells(around(t, now.at, last.at)));
    const m = best.get(p.group);
    if (m && (m.score > p.score || (m.score === p.score && (m.sure || !sure)))) return;
    best.set(p.group, { group: p.group, number: now.first, sure, score: p.score, start: now.begin, end: now.end, at: now.at });
  }

  function spaced(text) {
    return scan(text).out.map((c) => (c.before & GAP ? " " : "") + c.r).join("") + " ";
  }

  const linesOf = (text) => text.match(/[^\n]*\n|[^\n]+$/g) || [];

  function pieces(text) {
    const best = new Map();
    const attempt = (s, at, number, broken) => {
      if (new TextEncoder().encode(s).length > L.longestLine) return;
      let piece = spaced(s.slice(s.replace(/[\r\n]+$/, "").lastIndexOf("\r") + 1));
      for (const v of D.severities) {
        const word = " " + v.replace(/:$/, "");
        if (piece.startsWith(word)) piece = piece.slice(word.length);
      }
      const joined = piece.replaceAll(" ", ""), letters = Array.from(joined).length;
      const of = [];
      D.groups.forEach((g, i) => {
        if (g.whole.includes(piece) || (broken && letters >= L.manyLetters && g.joined.includes(joined))) of.push(i);
      });
      if (letters < L.shortPiece || (letters < L.commonPiece && of.length > 1)) return;
      for (const i of of) {
        if (best.has(i) && letters <= best.get(i).score) continue;
        best.set(i, { group: i, number, sure: letters >= L.manyLetters || (letters >= L.someLetters && tells(s)), score: letters, start: 2 * number, end: 2 * number + 1, at });
      }
    };
    let at = 0, number = 0;
    for (const line of linesOf(text)) { number++; attempt(line, at, number, false); at += Array.from(line).length; }
    if (number > 1 && number <= L.fewLines) attempt(text, 0, 1, true);
    return [...best.values()];
  }

  function wordsOf(text) {
    const words = [];
    for (const w of spaced(text).split(" ")) {
      if (Array.from(w).length >= L.wordShort && !D.common.includes(" " + w + " ") && !words.includes(w)) words.push(w);
    }
    return words;
  }

  const having = new Map();
  D.groups.forEach((g, i) => g.near.forEach((w) => { if (!having.has(w)) having.set(w, []); having.get(w).push(i); }));
  const weight = new Map([...having].map(([w, all]) => [w, 1 + Math.log(D.groups.length / all.length)]));
  const total = D.groups.map((g) => g.near.reduce((sum, w) => sum + weight.get(w), 0));

  function near(text) {
    const best = new Map();
    let at = 0, number = 0;
    for (const line of linesOf(text)) {
      number++;
      const has = new Map(), count = new Map();
      for (const w of wordsOf(line.slice(0, L.longestLine))) {
        for (const g of having.get(w) || []) {
          has.set(g, (has.get(g) || 0) + weight.get(w));
          count.set(g, (count.get(g) || 0) + 1);
        }
      }
      for (const [g, sum] of has) {
        if (count.get(g) < L.nearWords || sum < L.nearShare * total[g] || (D.groups[g].tells && !tells(line))) continue;
        const score = Math.trunc((1000 * sum) / total[g]);
        if (!best.has(g) || score > best.get(g).score) best.set(g, { group: g, number, sure: false, score, start: 2 * number, end: 2 * number + 1, at });
      }
      at += Array.from(line).length;
    }
    return [...best.values()];
  }

  // find returns what a text points to, in the order in which lixfix explain tells it.
  return function find(text) {
    text = text.slice(0, L.longest);
    const { t, out } = scan(text);
    let all = search(t, out);
    if (all.length === 0 && new TextEncoder().encode(text).length <= L.nearest) {
      all = pieces(text);
      if (all.length === 0) all = near(text);
    }
    if ((text.match(/\n/g) || []).length > L.fewLines) all = all.filter((m) => !D.groups[m.group].normal);
    all = all.filter((m) => !all.some((o) => o.start <= m.start && m.end <= o.end && o.score > m.score));
    all.sort((a, b) => {
      const x = D.groups[a.group], y = D.groups[b.group];
      return b.sure - a.sure || x.harmless - y.harmless || b.score - y.vague - (a.score - x.vague) || a.at - b.at || a.group - b.group;
    });
    const seen = new Set();
    return all.filter((m) => {
      const g = D.groups[m.group], key = JSON.stringify([g.kinds, g.fixes]);
      return !seen.has(key) && seen.add(key);
    }).slice(0, L.most).map((m) => {
      const g = D.groups[m.group];
      return { line: lineOf(t, m.at, L.longestLine), number: m.number, message: g.message, sure: m.sure, kinds: g.kinds || [], fixes: g.fixes || [] };
    });
  };
})();

if (typeof document !== "undefined") {
  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("search"), box = document.getElementById("text"), result = document.getElementById("result");
    if (!form) return;
    document.getElementById("without").hidden = true;
    form.hidden = false;
    const element = (name, text, href) => {
      const e = document.createElement(name);
      if (text) e.textContent = text;
      if (href) e.href = href;
      return e;
    };
    const show = () => {
      result.replaceChildren();
      const text = box.value;
      if (text.trim() === "") return;
      const found = lixfixSearch(text);
      if (found.length === 0) {
        result.append(element("p", "No known issue matches this text. \"lixfix check\" looks for problems on your host."));
        return;
      }
      const list = element("ol");
      for (const m of found) {
        const item = element("li");
        if (m.kinds.length > 1) item.append(element("p", "One of " + m.kinds.length + "; the message alone does not say which:"));
        const pages = element(m.kinds.length > 1 || m.kinds.length === 0 ? "ul" : "div");
        for (const id of m.kinds.slice(0, 6)) {
          const one = element(m.kinds.length > 1 ? "li" : "p");
          one.append(element("a", id, LIXFIX_PAGES[id].href), document.createTextNode(" – " + LIXFIX_PAGES[id].title));
          pages.append(one);
        }
        if (m.kinds.length > 6) pages.append(element("li", "and " + (m.kinds.length - 6) + " more"));
        for (const name of m.kinds.length === 0 ? m.fixes : []) {
          const one = element("li");
          one.append(element("a", name, "fixes/" + name + ".html"));
          pages.append(one);
        }
        item.append(pages);
        const line = element("p", "Line " + m.number + ": ");
        line.append(element("code", m.line));
        item.append(line);
        if (!m.sure) item.append(element("p", "The text only looks like this: " + m.message));
        if (m.fixes.length > 0) {
          const look = element("p", "On the host: ");
          look.append(element("code", "lixfix check " + m.fixes.join(" ")));
          item.append(look);
        }
        list.append(item);
      }
      result.append(list);
    };
    form.addEventListener("submit", (e) => { e.preventDefault(); show(); result.focus(); });
    box.addEventListener("input", show);
    show();
  });
}
