// What check_site.py has the browser do: it opens one page after the other in a frame of the width of
// a small screen. `settings` come from there, and axe-core from /axe.

const WIDTHS = [400, 1200];  // pixels, of a small screen and a large one
const THEMES = ["light", "dark"];
const COLOURS = ["color-contrast", "link-in-text-block"];  // axe-core's rules that depend on them
const IMPACTS = ["serious", "critical"];  // of axe-core's findings, those that are problems

const pause = time => new Promise(resolve => setTimeout(resolve, time));

async function open(path) {
  const frame = document.createElement("iframe");
  frame.style = `width: ${WIDTHS[0]}px; height: 800px; border: 0`;
  const loaded = new Promise(resolve => { frame.onload = resolve; });
  frame.src = path;
  document.body.append(frame);
  await loaded;
  return frame;
}

function tooWide(around) {
  const right = around.getBoundingClientRect().right + 1;
  const found = [...around.querySelectorAll("*")].filter(
      element => element.getBoundingClientRect().right > right && !element.closest("pre"));
  const name = element => `<${element.tagName} ${element.className}> ${element.textContent.trim()}`;
  return found.slice(-2).map(element => name(element).slice(0, 80)).join("; ");
}

async function look(frame) {
  const page = frame.contentDocument;
  for (const image of page.images) { image.loading = "eager"; }
  await Promise.all([...page.images].map(image => image.decode().catch(() => {})));
  await pause(50);
  const found = [...frame.contentWindow.problems || ["no page"]];
  for (const image of page.images)
    if (!image.naturalWidth) found.push("broken image " + image.src);
  const heading = page.querySelector("h1");
  if (!heading) found.push("has no heading");
  // Code and tables may scroll by themselves, but nothing that holds the text.
  for (let around = heading; around; around = around.parentElement) {
    if (around.scrollWidth > around.clientWidth + 1) {
      found.push("is " + around.scrollWidth + " px wide: " + tooWide(around));
      break;
    }
  }
  return found;
}

async function addAxe(page) {
  const script = page.createElement("script");
  const loaded = new Promise(resolve => { script.onload = resolve; });
  script.src = "/axe";
  const still = page.createElement("style");  // no colours on their way to others
  still.textContent = "* { transition: none !important }";
  page.head.append(script, still);
  await loaded;
}

// Colours go by an element's kind, and their check takes long: one of each kind stays.
function removeRepetitions(page) {
  const kinds = new Set();
  for (const leaf of page.querySelectorAll("body :not(:has(*))")) {
    let kind = "";
    for (let element = leaf; element !== page.body; element = element.parentElement)
      kind += `${element.tagName} ${element.className} ${element.matches("tr:nth-child(even)")} `;
    if (kinds.has(kind)) leaf.remove();
    kinds.add(kind);
  }
}

// What axe-core finds that keeps people out, once for each rule and element, with where it is so.
async function keepsOut(frame) {
  const page = frame.contentDocument;
  await addAxe(page);
  const where = {};
  const run = async (place, rules) => {
    const options = {...rules, resultTypes: ["violations"], preload: false};
    const {violations} = await frame.contentWindow.axe.run(page, options);
    for (const {id, nodes} of violations.filter(found => IMPACTS.includes(found.impact)))
      for (const {target, any, all, none} of nodes) {
        const why = [...any, ...all, ...none][0].message;
        (where[`${id}: ${target.join(" ")}: ${why}`] ??= []).push(place);
      }
  };
  const others = Object.fromEntries(COLOURS.map(rule => [rule, {enabled: false}]));
  for (const width of WIDTHS) {
    frame.style.width = width + "px";
    await run(`${width} px`, {rules: others});
  }
  removeRepetitions(page);
  for (const width of WIDTHS) {
    frame.style.width = width + "px";
    for (const theme of THEMES) {
      page.documentElement.dataset.theme = theme;
      await pause(50);
      await run(`${theme}, ${width} px`, {runOnly: COLOURS});
    }
  }
  return Object.entries(where).map(([finding, places]) => `${finding} (${places.join("; ")})`);
}

async function visit(path) {
  const frame = await open(path);
  const found = await look(frame);
  if (settings.axe) found.push(...await keepsOut(frame));
  frame.remove();
  return found;
}

async function search() {
  const frame = await open("/search.html?q=" + settings.word);
  for (let i = 0; i < 10 * settings.search_seconds; i++) {
    await pause(100);
    const found = frame.contentDocument.querySelectorAll("#search-results li a");
    if (found.length) return [...found].map(link => link.textContent);
  }
  return [];
}

(async () => {
  const report = {pages: {}};
  for (const path of settings.paths) {
    try { report.pages[path] = await visit(path); }
    catch (error) { report.pages[path] = [String(error)]; }
  }
  report.search = await search();
  await fetch("/report", {method: "POST", body: JSON.stringify(report)});
})();
