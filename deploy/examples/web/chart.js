// A small chart over time, drawn as SVG: lines, or bars that stand on each other.
import {element, svg} from './dom.js';

const HEIGHT = 170;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 22;
// About how wide a character of the axes is.
const CHARACTER = 6.5;
const KEPT_MS = 16 * 60_000;
// Lines break where nothing was measured for so many times the usual distance.
const BREAK = 3.5;

const seconds = new Intl.DateTimeFormat([], {hour: '2-digit', minute: '2-digit', second: '2-digit'});
const minutes = new Intl.DateTimeFormat([], {hour: '2-digit', minute: '2-digit'});
/** Between times on the axis: the first whose labels leave some room. */
const STEPS_MS = [10, 15, 20, 60, 120, 180, 300].map((each) => each * 1000);
const timeText = (time, step) => (step % 60_000 === 0 ? minutes : seconds).format(time);

/** The least of 1, 2, 5, 10, 20, … that is not below. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= value * (1 - 1e-9));
}

/**
 * `series`: [{key, label}], at most three. `ceiling`: where the axis ends, or at least ends. `format` makes texts of
 * values. `bars`: milliseconds of time that one bar sums up.
 */
export class Chart {
  constructor({title, series, format, ceiling = {}, bars}) {
    Object.assign(this, {title, series, format, ceiling, bars});
    this.samples = [];
    this.losses = [];
    this.span = 300_000;
    this.cursor = undefined;
    this.values = series.map(() => element('b', {}, '–'));
    this.plot = svg('svg', {role: 'img', tabindex: '0', 'aria-label': title});
    this.tip = element('div', {class: 'tip', hidden: true});
    this.card = element('figure', {class: 'card chart'},
      element('div', {class: 'top'},
        element('h2', {}, title),
        element('div', {class: 'legend'}, ...series.map(({label}, i) => element('span', {},
          element('span', {class: `key s${i + 1}${bars ? ' block' : ''}`, 'aria-hidden': 'true'}), `${label} `, this.values[i])))),
      this.plot, this.tip);
    this.card.style.margin = '0';
    this.listen();
  }

  /** `time` in Unix milliseconds; values that are no numbers are left out. */
  add(time, values) {
    // Replays overlap after a loss: what is older than the newest is known.
    if (this.samples.length > 0 && time < this.samples.at(-1).time) return;
    if (this.bars) return this.sum(time, values);
    this.samples.push({time, values});
    this.trim(time);
    this.draw();
  }

  /** Adds up within the bar that the time falls into. */
  sum(time, values) {
    const start = Math.floor(time / this.bars) * this.bars;
    if (this.samples.at(-1)?.time !== start) this.samples.push({time: start, values: {}});
    const last = this.samples.at(-1).values;
    for (const [key, value] of Object.entries(values)) last[key] = (last[key] ?? 0) + value;
    this.trim(time);
    this.draw();
  }

  /** Something is missing from here on. */
  lose() {
    this.losses.push(this.samples.at(-1)?.time ?? Date.now());
    this.draw();
  }

  trim(time) {
    while (this.samples.length > 0 && this.samples[0].time < time - KEPT_MS) this.samples.shift();
    while (this.losses.length > 0 && this.losses[0] < time - KEPT_MS) this.losses.shift();
  }

  show(spanMs) {
    this.span = spanMs;
    this.draw();
  }

  /** Once before the next frame, however much has come. */
  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.drawNow();
    });
  }

  drawNow() {
    const width = this.plot.clientWidth;
    if (width === 0) return;
    const end = this.bars ? Math.max(Date.now(), (this.samples.at(-1)?.time ?? 0) + this.bars) : this.samples.at(-1)?.time ?? Date.now();
    this.shown = this.samples.filter(({time}) => time > end - this.span);
    const top = this.top();
    this.left = 12 + CHARACTER * Math.max(...[0, 0.5, 1].map((part) => this.format(top * part).length));
    this.x = (time) => this.left + (width - this.left - RIGHT) * (1 - (end - time) / this.span);
    this.y = (value) => HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * Math.min(1, value / top);
    this.plot.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    this.plot.replaceChildren(this.axes(top, end, width), ...this.lossMarks(end), ...(this.bars ? this.barMarks() : this.lineMarks()), ...this.cursorMarks());
    const last = this.shown.at(-1);
    this.series.forEach(({key}, i) => (this.values[i].textContent = this.text(this.bars ? this.total(key) : last?.values[key])));
    this.plot.setAttribute('aria-label', `${this.title}: ${this.series.map(({label}, i) => `${label} ${this.values[i].textContent}`).join(', ')}`);
  }

  text(value) {
    return typeof value === 'number' ? this.format(value) : '–';
  }

  total(key) {
    return this.shown.reduce((sum, {values}) => sum + (values[key] ?? 0), 0);
  }

  top() {
    if (this.ceiling.fixed) return this.ceiling.fixed;
    const most = Math.max(this.ceiling.least ?? 1, ...this.shown.map(({values}) => this.series.reduce(
      (high, {key}) => (this.bars ? high + (values[key] ?? 0) : Math.max(high, values[key] ?? 0)), 0)));
    return roundUp(most / 4) * 4;
  }

  axes(top, end, width) {
    const group = svg('g', {class: 'grid', 'aria-hidden': 'true'});
    for (let i = 0; i <= 4; i++) {
      const y = this.y((top * i) / 4);
      group.append(svg('line', {x1: this.left, x2: width - RIGHT, y1: y, y2: y}));
      if (i % 2 === 0) group.append(svg('text', {x: this.left - 6, y: y + 4, 'text-anchor': 'end'}, this.format((top * i) / 4)));
    }
    const room = 0.8 * (width - RIGHT - this.left);
    const step = STEPS_MS.find((each) => (this.span / each) * CHARACTER * timeText(end, each).length < room) ?? STEPS_MS.at(-1);
    for (let time = Math.ceil((end - this.span) / step) * step; time <= end; time += step) {
      const x = this.x(time);
      const text = timeText(time, step);
      const half = (CHARACTER * text.length) / 2;
      if (x < this.left + half || x > width - half) continue;
      group.append(svg('text', {x, y: HEIGHT - 6, 'text-anchor': 'middle'}, text));
    }
    return group;
  }

  lineMarks() {
    const distances = this.shown.slice(1).map(({time}, i) => time - this.shown[i].time).sort((a, b) => a - b);
    const usual = distances[distances.length >> 1] ?? 1000;
    return this.series.map(({key}, i) => {
      let path = '';
      let before = -Infinity;
      for (const {time, values} of this.shown) {
        if (typeof values[key] !== 'number') continue;
        const goesOn = time - before <= usual * BREAK;
        path += `${goesOn ? 'L' : 'M'}${this.x(time).toFixed(1)} ${this.y(values[key]).toFixed(1)}`;
        before = time;
      }
      return svg('path', {class: `line s${i + 1}`, d: path || 'M0 0'});
    });
  }

  barMarks() {
    const marks = [];
    for (const {time, values} of this.shown) {
      let below = 0;
      const x = Math.max(this.left, this.x(time));
      const width = this.x(time + this.bars) - x - 1;
      if (width <= 0) continue;
      this.series.forEach(({key}, i) => {
        const value = values[key] ?? 0;
        if (value === 0) return;
        const y = this.y(below + value);
        marks.push(svg('rect', {class: `block s${i + 1}`, x, width, y, height: this.y(below) - y, rx: Math.min(2, width / 2)}));
        below += value;
      });
    }
    return marks;
  }

  lossMarks(end) {
    return this.losses.filter((time) => time > end - this.span).map((time) => {
      const x = this.x(time);
      return svg('line', {class: 'lost', x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM}, svg('title', {}, 'Something was lost here'));
    });
  }

  // --- The value under the pointer, or the one that the arrow keys have reached ---

  listen() {
    const at = (event) => {
      const x = event.clientX - this.plot.getBoundingClientRect().left;
      const nearest = (this.shown ?? []).reduce((best, each) => (best && Math.abs(this.middle(best) - x) <= Math.abs(this.middle(each) - x) ? best : each), undefined);
      this.point(nearest?.time);
    };
    this.plot.addEventListener('pointermove', at);
    this.plot.addEventListener('pointerleave', () => this.point(undefined));
    this.plot.addEventListener('blur', () => this.point(undefined));
    this.plot.addEventListener('keydown', (event) => {
      const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
      if (!step || !this.shown?.length) return;
      event.preventDefault();
      const now = this.shown.findIndex(({time}) => time === this.cursor);
      const next = now < 0 ? this.shown.length - 1 : Math.min(this.shown.length - 1, Math.max(0, now + step));
      this.point(this.shown[next].time);
    });
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  point(time) {
    this.cursor = time;
    this.draw();
  }

  middle({time}) {
    return this.x(time + (this.bars ?? 0) / 2);
  }

  cursorMarks() {
    const sample = this.shown.find(({time}) => time === this.cursor);
    this.tip.hidden = sample === undefined;
    if (!sample) return [];
    const x = this.middle(sample);
    this.tip.replaceChildren(element('span', {class: 'quiet'}, seconds.format(sample.time)),
      ...this.series.map(({key, label}) => element('div', {}, label, element('b', {}, this.text(sample.values[key] ?? (this.bars ? 0 : undefined))))));
    const right = x > this.plot.clientWidth / 2;
    this.tip.style.left = right ? 'auto' : `${x + 28}px`;
    this.tip.style.right = right ? `${this.plot.clientWidth - x + 28}px` : 'auto';
    this.tip.style.top = '4rem';
    const dots = this.bars ? [] : this.series.flatMap(({key}, i) => (typeof sample.values[key] === 'number'
      ? [svg('circle', {class: `dot s${i + 1}`, cx: x, cy: this.y(sample.values[key]), r: 4})] : []));
    return [svg('line', {class: 'rule', x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM}), ...dots];
  }
}
