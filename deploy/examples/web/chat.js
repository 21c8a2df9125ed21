// A chat room: join, presence, history, typing; messages are kept while there is no connection and sent once, whatever breaks.
import {EndedError} from './client/index.js';
import {byId, element} from './dom.js';
import {Session} from './session.js';

const EVENTS = ['chat', 'typing', 'user_activity'];
const HISTORY = 200;
const MAX_SHOWN = 1000;
// Whoever types says so once in a while; it is shown a little longer than until the next time.
const TYPING_EVERY_MS = 3000;
const TYPING_SHOWN_MS = 5000;
const HUES = 8;

const messages = byId('messages');
const text = byId('text');
const session = new Session(opened);

let roomId = new URLSearchParams(location.search).get('room') || 'lobby_demo';
let client;
let room;
/** How far this page has read. A new client, after "Go offline" or another sign-in, goes on from there. */
let position;
/** Messages that no event has shown yet, by their key. */
const outbox = new Map();
const members = new Set();
const typing = new Map();
let wasAway = false;
let lastSaidTyping = 0;

// --- The connection and the room ---

async function opened(newClient) {
  client = newClient;
  client.on('disconnected', () => (wasAway = true));
  client.on('connected', () => void showMembers());
  await join();
}

async function join() {
  const joined = client;
  byId('room').value = roomId;
  byId('room-name').textContent = roomId;
  document.title = `${roomId} · Covet chat`;
  let entered;
  try {
    entered = await client.joinRoom(roomId, {filter: {event_types: EVENTS}, ...(position ? {resume: position} : {history: HISTORY})});
  } catch (error) {
    if (client !== joined) return;
    room = undefined;
    session.alert(`${roomId} cannot be joined: ${error.message}`);
    return;
  }
  room = entered;
  position ??= room.position;
  session.alert('');
  if (room.metadata?.name) byId('room-name').textContent = `${room.metadata.name} (${roomId})`;
  const mayWrite = room.permissions.includes('write');
  text.disabled = !mayWrite;
  text.placeholder = mayWrite ? 'Write a message' : 'You may only read here';
  room.on('event', (event) => room === entered && onEvent(event));
  room.on('gap', ({reason}) => room === entered && divider(`Some messages are no longer there (${reason})`, 'gap'));
  room.on('ended', ({reason, error}) => room === entered && error && session.client && session.alert(`The server has ended ${roomId}: ${reason}.`));
  void showMembers();
  for (const entry of outbox.values()) void deliver(entry);
}

async function changeRoom(id) {
  const old = room;
  room = undefined;
  roomId = id;
  position = undefined;
  wasAway = false;
  outbox.clear();
  members.clear();
  messages.replaceChildren();
  drawMembers();
  for (const user of [...typing.keys()]) stopTyping(user);
  history.replaceState(null, '', `?room=${encodeURIComponent(id)}`);
  // Offline, or between two connections: the room is left with the connection.
  await old?.leave().catch(() => {});
  if (client && session.client === client) await join();
}

byId('room-form').onsubmit = (event) => {
  event.preventDefault();
  const id = byId('room').value.trim();
  if (id !== roomId || !room) void changeRoom(id);
  text.focus();
};

const toggle = byId('offline');
toggle.onclick = async () => {
  const leaving = toggle.getAttribute('aria-pressed') === 'false';
  toggle.setAttribute('aria-pressed', String(leaving));
  toggle.textContent = leaving ? 'Go online' : 'Go offline';
  if (!leaving) return session.start();
  wasAway = true;
  room = undefined;
  await session.leave();
};

// --- What others do ---

function onEvent(event) {
  if (event.offset !== undefined) position = {epoch: event.epoch, offset: event.offset};
  if (event.event_type === 'user_activity') return onActivity(event.payload ?? {});
  const sender = event.sender?.user_id ?? 'somebody';
  if (event.event_type === 'typing') {
    if (sender !== client.userId && !event.replayed) onTyping(sender);
    return;
  }
  if (typeof event.payload?.text !== 'string') return;
  if (event.replayed && wasAway && !outbox.has(event.correlation_id)) divider('While you were away');
  if (event.replayed || sender !== client.userId) wasAway = false;
  stopTyping(sender);
  const pending = outbox.get(event.correlation_id);
  if (pending) {
    outbox.delete(event.correlation_id);
    pending.item.remove();
  }
  show(messageItem(sender, event.payload.text, event.timestamp));
}

function onActivity({action, user_id: user, member_count: count}) {
  if (typeof user === 'string' && action === 'joined') members.add(user);
  if (typeof user === 'string' && action === 'left') members.delete(user);
  drawMembers(count);
}

async function showMembers() {
  if (!room || !client.capabilities.includes('rpc')) return drawMembers(room?.memberCount);
  const asked = room;
  try {
    const result = await client.call('rooms.list_members', {room_id: asked.roomId});
    if (room !== asked) return;
    members.clear();
    for (const member of result.members ?? []) members.add(member.user_id);
    drawMembers(result.member_count);
  } catch {
    // A connection that has just ended: the next one asks again. Or not allowed: presence alone tells.
    drawMembers(asked.memberCount);
  }
}

function drawMembers(count) {
  const names = [...members].sort((a, b) => a.localeCompare(b));
  byId('count').textContent = room ? String(count ?? members.size) : '';
  byId('members').replaceChildren(...names.map((name) =>
    element('li', {}, face(name), element('span', {class: 'name'}, name), name === client?.userId ? element('span', {class: 'quiet'}, ' (you)') : '')));
}

function onTyping(user) {
  clearTimeout(typing.get(user));
  typing.set(user, setTimeout(() => stopTyping(user), TYPING_SHOWN_MS));
  drawTyping();
}

function stopTyping(user) {
  clearTimeout(typing.get(user));
  typing.delete(user);
  drawTyping();
}

function drawTyping() {
  const names = [...typing.keys()];
  const who = names.length > 2 ? `${names.length} people are` : names.length === 2 ? `${names.join(' and ')} are` : `${names[0]} is`;
  byId('typing').textContent = names.length > 0 ? `${who} typing…` : '';
}

// --- What the user does ---

byId('compose').onsubmit = (event) => {
  event.preventDefault();
  const words = text.value.trim();
  if (!words || text.disabled) return;
  text.value = '';
  grow();
  lastSaidTyping = 0;
  const key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const entry = {key, words, item: messageItem(client?.userId ?? 'you', words, undefined)};
  outbox.set(key, entry);
  show(entry.item, true);
  void deliver(entry);
};

text.onkeydown = (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId('compose').requestSubmit();
};

text.oninput = () => {
  grow();
  const now = Date.now();
  if (!room || !client.connected || !text.value || now - lastSaidTyping < TYPING_EVERY_MS) return;
  lastSaidTyping = now;
  // In the room's log like everything else, but nobody gets it after its time.
  room.send('typing', {}, {ttl: TYPING_SHOWN_MS, priority: 'low'}).catch(() => {});
};

function grow() {
  text.style.height = 'auto';
  text.style.height = `${Math.min(text.scrollHeight + 2, 160)}px`;
}

/** Its key makes a repeat harmless: by the client after a broken connection, by us after "Go offline". */
async function deliver(entry) {
  const target = room;
  mark(entry, 'pending', target ? 'sending…' : 'waits for a connection');
  if (!target) return;
  const slow = setTimeout(() => entry.item.classList.contains('pending') && mark(entry, 'pending', 'waits for a connection'), 1000);
  try {
    await target.send('chat', {text: entry.words}, {idempotencyKey: entry.key, correlationId: entry.key});
    mark(entry, 'sent', 'sent');
  } catch (error) {
    if (error instanceof EndedError && !session.client) mark(entry, 'pending', 'waits for a connection');
    else refused(entry, error);
  } finally {
    clearTimeout(slow);
  }
}

function refused(entry, error) {
  const until = error.rateLimit ? `, possible again at ${clock(error.rateLimit.reset)}` : '';
  const again = element('button', {type: 'button', class: 'link', onclick: () => void deliver(entry)}, 'Send again');
  mark(entry, 'failed', `not sent: ${error.message}${until} `, again);
}

// --- The list ---

function mark(entry, state, ...note) {
  const follows = atEnd();
  entry.item.classList.remove('pending', 'sent', 'failed');
  entry.item.classList.add(state);
  entry.item.querySelector('.note').replaceChildren(...note);
  if (follows) toEnd();
}

function clock(timestamp) {
  return new Date(timestamp).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit'});
}

function hueOf(name) {
  let sum = 0;
  for (const unit of name) sum = (sum * 31 + unit.codePointAt(0)) % 65_521;
  return sum % HUES;
}

function face(name) {
  return element('span', {class: `face hue-${hueOf(name)}`, 'aria-hidden': 'true'}, [...name][0].toUpperCase());
}

function messageItem(sender, words, timestamp) {
  const own = sender === client?.userId || sender === 'you';
  const time = timestamp && element('time', {datetime: timestamp}, clock(timestamp));
  return element('li', {class: own ? 'message own' : 'message', 'data-sender': sender},
    face(sender),
    element('div', {class: 'bubble'},
      element('p', {class: 'head'}, element('span', {class: `name hue-${hueOf(sender)}`}, own ? 'You' : sender), ' ', time ?? ''),
      element('p', {class: 'words'}, words),
      element('p', {class: 'note', 'aria-live': 'off'})));
}

function divider(words, kind = 'away') {
  show(element('li', {class: `divider ${kind}`}, element('span', {}, words)));
}

const atEnd = () => messages.scrollHeight - messages.scrollTop - messages.clientHeight < 60;
const newest = byId('newest');
const toEnd = () => (messages.scrollTop = messages.scrollHeight);

/** What waits to be sent stays below what has come. */
function show(item, toNewest = false) {
  const follows = toNewest || atEnd();
  const waiting = toNewest ? null : [...outbox.values()].find((entry) => entry.item.parentNode)?.item ?? null;
  const before = waiting ? waiting.previousElementSibling : messages.lastElementChild;
  if (item.dataset.sender && before?.dataset.sender === item.dataset.sender) item.classList.add('follows');
  messages.insertBefore(item, waiting);
  while (messages.childElementCount > MAX_SHOWN) messages.firstElementChild.remove();
  if (follows) toEnd();
  else newest.hidden = false;
}

let atNewest = true;
messages.onscroll = () => {
  atNewest = atEnd();
  if (atNewest) newest.hidden = true;
};
new ResizeObserver(() => atNewest && toEnd()).observe(messages);
newest.onclick = () => {
  toEnd();
  messages.focus();
};

void session.start();
