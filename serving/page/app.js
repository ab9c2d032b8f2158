// The member's page. It asks /v1/page, draws what comes back, and tells /v1/events what the member does.
const $ = (id) => document.getElementById(id);
const TOP = 10, K = 28;
const fragment = new URLSearchParams(location.hash.slice(1));
if (fragment.has("key")) sessionStorage.setItem("key", fragment.get("key"));
const startWith = fragment.get("member");
if (location.hash) history.replaceState(null, "", location.pathname);

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;
class Refused extends Error {
  constructor(status, error) { super(`${sentence(error.message)} ${sentence(error.remedy)}`); this.status = status; }
}

async function call(path, body) {
  const headers = { "X-API-Key": sessionStorage.getItem("key") ?? "", "Content-Type": "application/json" };
  const answer = await fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said.error ?? { message: `HTTP ${answer.status}`, remedy: "Try again" });
  return said;
}

function element(tag, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children.filter((child) => child !== null));
  return made;
}

// Nobody has posters: the colours come from the main genre, so that a genre is recognised, and the glow from the title.
function paint(made, item) {
  const number = (text) => [...text].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 9973, 7);
  made.classList.add("art");
  made.style.setProperty("--hue", (number(item.genres[0] ?? item.media_id) * 47) % 360 + (number(item.title) % 24));
  made.style.setProperty("--x", `${10 + (number(item.title) % 80)}%`);
  return made;
}

const chance = (item) => (item.score === null ? "" : `${Math.round(item.score * 100)} % chance you watch it`);
const words = (item) => item.genres.slice(0, 3).join(" · ");

function card(item) {
  const rank = item.position < TOP ? element("span", { className: "rank", textContent: item.position + 1 }) : null;
  const tag = item.policy === "exploration" ? element("span", { className: "tag", textContent: "New to you" }) : null;
  const poster = paint(element("span", { className: "poster" }, element("strong", { textContent: item.title })), item);
  poster.prepend(...[rank, tag].filter(Boolean));
  const button = element("button", { className: "card", onclick: () => open(item) }, poster,
    element("span", { className: "reason", textContent: item.reason }),
    element("span", { className: "genres", textContent: words(item) }));
  return element("li", {}, button);
}

function hero(item) {
  const acts = element("div", { className: "acts" },
    element("button", { className: "loud", textContent: "▶ Watch", onclick: () => act("watch", item) }),
    element("button", { className: "quiet", textContent: "Why this?", onclick: () => open(item) }));
  const facts = [words(item), chance(item)].filter(Boolean).join("  —  ");
  const text = element("div", {}, element("p", { className: "why", textContent: item.reason }),
    element("h1", { textContent: item.title }), element("p", { className: "facts", textContent: facts }), acts);
  paint($("hero"), item).replaceChildren(text);
}

function open(item) {
  const facts = { "Because": item.reason, "Genres": words(item) || "none given", "Chance of a watch": item.score === null ? "not scored" : `${(item.score * 100).toFixed(1)} %`,
    "Place": item.position + 1, "Chosen by": `${item.policy}, with probability ${item.propensity.toPrecision(3)}`, "Media": item.media_id };
  const list = element("dl", {}, ...Object.entries(facts).flatMap(([name, value]) =>
    [element("dt", { textContent: name }), element("dd", { textContent: value })]));
  $("detail").replaceChildren(element("h2", { textContent: item.title }), list, element("div", { className: "acts" },
    element("button", { className: "loud", textContent: "▶ Watch", onclick: () => act("watch", item) }),
    element("button", { className: "quiet", textContent: "Not for me", onclick: () => act("dismissal", item) }),
    element("button", { className: "quiet", textContent: "Close", onclick: () => $("detail").close() })));
  $("detail").showModal();
  tell("click", item).catch(report);
}

function tell(type, item) {
  const what = { watch: { media_id: item.media_id, impression_id: item.impression_id, completion: 1 },
    dismissal: { media_id: item.media_id }, click: { impression_id: item.impression_id } }[type];
  const event = { type, event_id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, user_id: item.user_id,
    request_id: item.request_id, session_id: session, device: $("device").value, at: new Date().toISOString(), ...what };
  return call("/v1/events", { events: [event] });
}

async function act(type, item) {
  $("detail").close();
  try {
    await tell(type, item);
    await show();
    say(type === "watch" ? `You watched ${item.title}: the page has taken notice.` : `${item.title} will not come back.`);
  } catch (error) { report(error); }
}

function say(text, first = false) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
  $("notice").classList.toggle("first", first);
}

function draw(page, milliseconds) {
  const items = page.items.map((item) => ({ ...item, user_id: page.user_id, request_id: page.request_id }));
  $("hero").hidden = !items.length;
  if (items.length) hero(items[0]);
  for (const [shelf, part] of [["top", items.slice(0, TOP)], ["more", items.slice(TOP)]]) {
    $(shelf).hidden = !part.length;
    $(shelf).querySelector("ol").replaceChildren(...part.map(card));
  }
  const stranger = page.known === false ? "We have not met: here is what others like, until you watch something." : "";
  say(!items.length ? "There is nothing to show here: every title was watched, dismissed or has no rights in this country."
    : page.degraded ? `Showing what still works: ${page.degradations.join("; ")}.` : stranger, !items.length);
  $("foot").textContent = `Release ${page.release_id} · snapshot ${page.snapshot} · answered in ${milliseconds} ms · request ${page.request_id}`;
}

function report(error) {
  if (error.status === 401) { $("lock-error").textContent = sessionStorage.getItem("key") ? error.message : ""; $("lock").open || $("lock").showModal(); return; }
  say(error.message, $("hero").hidden);
}

async function show() {
  const started = performance.now();
  const page = await call("/v1/page", { user_id: $("member").value.trim(), device: $("device").value, session_id: session, k: K });
  draw(page, Math.round(performance.now() - started));
  scrollTo({ top: 0 });
}

async function begin() {
  try {
    const { members } = await call("/v1/members");
    $("members").replaceChildren(...members.map((value) => element("option", { value })));
    $("member").value ||= startWith || members[0] || "";
    if ($("member").value) return await show();
    await call("/readyz");
    say("Nobody has watched anything yet: type any member id.", true);
  } catch (error) { report(error); }
}

const session = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
$("who").onsubmit = (event) => { event.preventDefault(); show().catch(report); };
$("unlock").onsubmit = (event) => { event.preventDefault(); sessionStorage.setItem("key", $("key").value.trim()); $("lock").close(); begin(); };
begin();
