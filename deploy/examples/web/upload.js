// Uploads that pause, and that go on after a broken connection and after the page was closed.
import {EndedError} from './client/index.js';
import {byId, bytesText, element} from './dom.js';
import {Session} from './session.js';

const CHUNK_BYTES = 256 << 10;
const REMEMBERED = 'covet.uploads';
const SPEED_OVER_MS = 3000;

const chooser = byId('files');
const session = new Session(opened);
let client;
const running = new Set();

function opened(newClient) {
  client = newClient;
  client.on('disconnected', () => running.forEach((each) => each.draw()));
  client.on('connected', () => running.forEach((each) => each.draw()));
  client.on('ended', () => (chooser.disabled = true));
  chooser.disabled = false;
  for (const record of remembered()) {
    if (record.user === client.userId && !document.querySelector(`[data-upload="${record.id}"]`)) byId('list').append(unfinished(record));
  }
}

// --- What this browser remembers of uploads that have not ended: their ids, under which the server knows them ---

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(REMEMBERED) ?? '[]').filter(({id}) => /^[\w-]+$/.test(id));
  } catch {
    return [];
  }
}

/** Without `record` it is forgotten. */
function remember(id, record) {
  const others = remembered().filter((each) => each.id !== id);
  localStorage.setItem(REMEMBERED, JSON.stringify(record ? [...others, record] : others));
}

function recordOf(file) {
  return remembered().find((each) => each.user === client.userId && each.name === file.name && each.size === file.size && each.modified === file.lastModified);
}

function newId() {
  return `upload_${[...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

// --- Choosing ---

function begin(files) {
  for (const file of files) {
    const record = recordOf(file) ?? {id: newId(), user: client.userId, name: file.name, size: file.size, modified: file.lastModified, sent: 0};
    const shown = document.querySelector(`[data-upload="${record.id}"]`);
    // The same file twice is one upload.
    if (shown && !shown.classList.contains('unfinished')) continue;
    const upload = new Item(file, record);
    if (shown) shown.replaceWith(upload.item);
    else byId('list').prepend(upload.item);
  }
}

chooser.onchange = () => {
  begin(chooser.files);
  chooser.value = '';
};

const drop = byId('drop');
drop.ondragover = (event) => {
  event.preventDefault();
  drop.classList.add('over');
};
drop.ondragleave = () => drop.classList.remove('over');
drop.ondrop = (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  // A folder has no bytes of its own.
  const items = [...event.dataTransfer.items].filter((each) => each.kind === 'file' && !each.webkitGetAsEntry?.()?.isDirectory);
  if (!chooser.disabled) begin(items.map((each) => each.getAsFile()).filter(Boolean));
};

/** A page may not open a file again by itself: whoever chose it must. */
function unfinished(record) {
  const item = card(record);
  item.classList.add('unfinished');
  item.querySelector('progress').value = record.sent;
  item.querySelector('.says').textContent = `${bytesText(record.sent)} of ${bytesText(record.size)} are on the server. Choose the file again to go on.`;
  item.querySelector('.buttons').append(
    element('button', {type: 'button', onclick: () => chooser.click()}, 'Choose'),
    element('button', {type: 'button', onclick: () => {
      remember(record.id, undefined);
      item.remove();
    }}, 'Forget'));
  return item;
}

function card({id, name, size}) {
  return element('li', {class: 'card upload', 'data-upload': id},
    element('div', {class: 'line'}, element('span', {class: 'file'}, name), element('span', {class: 'buttons'})),
    element('progress', {max: Math.max(size, 1), value: 0, 'aria-label': `Upload of ${name}`}),
    element('p', {class: 'says'}),
    element('p', {class: 'digest'}));
}

// --- One upload ---

class Item {
  constructor(file, record) {
    this.record = record;
    this.state = 'running';
    this.reached = [];
    this.item = card(record);
    this.pauser = element('button', {type: 'button', onclick: () => this.pause()}, 'Pause');
    const cancel = element('button', {type: 'button', onclick: () => this.upload.cancel().catch(() => {})}, 'Cancel');
    this.item.querySelector('.buttons').append(this.pauser, cancel);
    remember(record.id, record);
    running.add(this);
    this.clock = setInterval(() => this.draw(), 1000);
    this.upload = client.upload(file, {uploadId: record.id, chunkSize: CHUNK_BYTES, onProgress: (sent) => this.progress(sent)});
    this.upload.on('status', (status) => this.processed(status));
    this.upload.done.then((result) => this.done(result), (error) => this.failed(error));
    this.draw();
  }

  pause() {
    if (this.state === 'running') this.upload.pause();
    else this.upload.resume();
    this.state = this.state === 'running' ? 'paused' : 'running';
    this.reached = [];
    this.pauser.textContent = this.state === 'paused' ? 'Resume' : 'Pause';
    this.draw();
  }

  progress(sent) {
    const now = performance.now();
    this.reached.push({now, sent});
    while (this.reached.length > 2 && this.reached[0].now < now - SPEED_OVER_MS) this.reached.shift();
    this.record.sent = sent;
    // Once in a while is enough: the server knows better.
    if (!(now - this.rememberedAt < 500)) {
      this.rememberedAt = now;
      remember(this.record.id, this.record);
    }
    this.draw();
  }

  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.item.classList.toggle('paused', this.state === 'paused');
      if (this.state !== 'running' && this.state !== 'paused') return;
      const {sent, size} = this.record;
      this.item.querySelector('progress').value = sent;
      const state = this.state === 'paused' ? 'paused' : client.connected ? this.speed() : 'waits for the connection';
      this.item.querySelector('.says').textContent = `${bytesText(sent)} of ${bytesText(size)}${state ? ` · ${state}` : ''}`;
    });
  }

  speed() {
    const first = this.reached[0];
    const last = this.reached.at(-1);
    if (last && performance.now() - last.now > SPEED_OVER_MS) return 'waits for the server';
    if (!last || last.now - first.now < 300) return '';
    const perSecond = ((last.sent - first.sent) / (last.now - first.now)) * 1000;
    if (perSecond <= 0) return '';
    const left = Math.ceil((this.record.size - last.sent) / perSecond);
    return `${bytesText(perSecond)}/s · ${left < 90 ? `${left} s` : `${Math.round(left / 60)} min`} left`;
  }

  done({url}) {
    this.end('done', `${bytesText(this.record.size)} · on the server`);
    this.item.querySelector('progress').value = Math.max(this.record.size, 1);
    const link = new URL(url, location.href);
    if (!/^https?:$/.test(link.protocol)) return;
    this.item.querySelector('.buttons').append(element('a', {class: 'button', href: link.href, download: this.record.name, rel: 'noreferrer'}, 'Download'));
  }

  /** The server looks at the file once it is whole. */
  processed({processing_status: status, details = {}}) {
    if (this.state !== 'done') return;
    if (status === 'failed') this.item.querySelector('.says').textContent = 'The server could not process the file.';
    if (status !== 'completed') return;
    const type = details.detected_type ? ` · ${details.detected_type}` : '';
    this.item.querySelector('.says').textContent = `${bytesText(this.record.size)}${type} · on the server`;
    if (details.sha256) this.item.querySelector('.digest').textContent = `SHA-256 ${details.sha256}`;
  }

  failed(error) {
    if (error instanceof EndedError && error.reason === 'cancelled') {
      this.end('cancelled');
      this.item.remove();
      return;
    }
    const until = error.rateLimit ? ` Possible again at ${new Date(error.rateLimit.reset).toLocaleTimeString()}.` : '';
    this.end('failed', `Not uploaded: ${error.message}.${until}`);
    const again = element('button', {type: 'button', onclick: () => {
      this.item.remove();
      chooser.click();
    }}, 'Choose again');
    this.item.querySelector('.buttons').append(again);
  }

  end(state, words = '') {
    this.state = state;
    running.delete(this);
    clearInterval(this.clock);
    // One that failed for its connection or a limit may still go on.
    if (state !== 'failed') remember(this.record.id, undefined);
    this.item.classList.remove('paused');
    this.item.classList.add(state);
    this.item.querySelector('.buttons').replaceChildren();
    this.item.querySelector('.says').textContent = words;
    byId('said').textContent = state === 'cancelled' ? `${this.record.name} cancelled` : `${this.record.name}: ${words}`;
  }
}

void session.start();
