// Makes the pages live: it asks for the page again, morphs what is shown into what came, draws the charts and knows some keys.
// Without it every page works as it is loaded.
"use strict";

// A part that a person works in is left as it is: a form of settings or of filters, an open question, a selected text.
const leave = (node) => node.matches?.("[data-still]");

const plots = new WeakMap();

// draw makes or renews the chart of a figure; uPlot's canvas is nothing that a morph should touch.
function draw(box) {
  const from = Number(box.dataset.from), values = box.dataset.points.split(",").map(Number);
  const data = [values.map((_, i) => from + 60 * i), values];
  const drawn = plots.get(box);
  if (drawn) {
    if (drawn.width !== box.clientWidth) drawn.setSize({ width: box.clientWidth, height: box.clientHeight });
    drawn.setData(data);
    return;
  }
  const colour = rgb(getComputedStyle(box).color), seconds = "seconds" in box.dataset;
  const when = document.createElement("span");
  when.className = "when";
  when.hidden = true;
  box.append(when);
  plots.set(box, new uPlot({
    width: box.clientWidth, height: box.clientHeight, padding: [6, 0, 0, 0], legend: { show: false },
    cursor: { y: false, drag: { setScale: false }, points: { size: 5 } },
    axes: [{ show: false }, { show: false }],
    scales: { y: { range: (_, __, most) => [0, Math.max(most, 1)] } },
    series: [{}, { stroke: colour, width: 1.5, fill: colour + "22", points: { show: false }, paths: uPlot.paths.linear() }],
    hooks: {
      setCursor: [(u) => {
        const i = u.cursor.idx;
        when.hidden = i == null || u.cursor.left < 0;
        if (when.hidden) return;
        const time = new Date(u.data[0][i] * 1000).toISOString().slice(11, 16);
        when.textContent = `${time} UTC: ${seconds ? `${+u.data[1][i].toPrecision(3)} s` : u.data[1][i].toLocaleString("en")}`;
      }],
    },
  }, data, box));
}

const rgb = (text) => "#" + text.match(/\d+/g).slice(0, 3).map((n) => Number(n).toString(16).padStart(2, "0")).join("");

function drawAll() { document.querySelectorAll(".plot").forEach(draw); }

function redraw() {
  document.querySelectorAll(".plot").forEach((box) => {
    plots.get(box)?.destroy();
    plots.delete(box);
    box.replaceChildren();
  });
  drawAll();
}

const main = () => document.getElementById("main");

function take(page) {
  const next = new DOMParser().parseFromString(page, "text/html").getElementById("main");
  Idiomorph.morph(main(), next, {
    ignoreActiveValue: true,
    callbacks: {
      beforeNodeMorphed: (old, fresh) => {
        if (leave(old)) return false;
        if (old.matches?.(".plot") && fresh.matches?.(".plot")) {
          for (const name of ["from", "points"]) old.dataset[name] = fresh.dataset[name];
          return false;
        }
      },
      // What a person has opened stays open.
      beforeAttributeUpdated: (name, node) => !(name === "open" && node.matches("details")),
    },
  });
  drawAll();
}

// lost says that what is shown is old, and since when; "" = it is as it should be.
let last = new Date();
function lost(why) {
  const bar = document.getElementById("lost");
  bar.hidden = !why;
  bar.textContent = why && `${why} What you see is from ${last.toISOString().slice(11, 19)} UTC.`;
  main().classList.toggle("lost", Boolean(why));
}

async function refresh() {
  const pause = Number(main().dataset.every);
  if (!pause) return;
  let wait = pause;
  try {
    if (!document.hidden) {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(10000) });
      if (answer.redirected) {
        location.href = answer.url; // the token is none any more
        return;
      }
      const page = await answer.text();
      if (answer.ok) {
        take(page);
        last = new Date();
        lost("");
      } else {
        const told = new DOMParser().parseFromString(page, "text/html").querySelector(".problem");
        lost(told?.textContent.trim() || `The api answers ${answer.status}.`);
      }
    }
  } catch {
    lost("The api does not answer.");
  }
  setTimeout(refresh, Math.max(wait, Number(main().dataset.every)));
}

// Keys: / searches, g and a letter goes to a page, n and p go from row to row.
let going = false;
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select, [contenteditable]")) return;
  const to = going && document.querySelector(`nav a[data-key="${CSS.escape(e.key)}"]`);
  going = e.key === "g";
  if (to) return to.click();
  if (e.key === "/") {
    e.preventDefault();
    document.querySelector(".search input").focus();
  }
  if (e.key === "n" || e.key === "p") {
    const rows = [...document.querySelectorAll("a.row")], at = rows.indexOf(document.activeElement);
    rows[at < 0 ? 0 : Math.min(Math.max(at + (e.key === "n" ? 1 : -1), 0), rows.length - 1)]?.focus();
  }
});

// A note is of what was done a moment ago; loading the page again should not tell it again.
const here = new URL(location.href);
if (here.searchParams.has("note")) {
  here.searchParams.delete("note");
  history.replaceState(null, "", here);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("resize", drawAll);
drawAll();
if (main().dataset.every) setTimeout(refresh, Number(main().dataset.every));
