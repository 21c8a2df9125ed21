/** When to come back, and whether. */
export interface Reconnect {
  /** Whether to come back at all. */
  enabled: boolean;
  /** Attempts in a row that lead nowhere before the client ends. */
  maxAttempts: number;
  /** Milliseconds; doubled with each attempt, up to 30 s. The wait is a random part of it (full jitter). */
  delay: number;
}

export const DEFAULT_RECONNECT: Reconnect = {enabled: true, maxAttempts: 10, delay: 1000};

const MAX_DELAY_MS = 30_000;
// 4500 and above are final: the same connection would be refused again.
const FINAL_CLOSE_CODE = 4500;
/** What we sent broke the connection: it would break the next one too. */
const OUR_FAULT = new Set([1002, 1007, 1008, 1009]);
/** Restart, try again later: their registry wants clients to stay away for 5 to 30 s. */
const LATER = new Set([1012, 1013]);
const LATER_MS = 5_000;

/** Milliseconds before attempt 1, 2, … in a row, after a connection that ended so. */
export function waitBefore(policy: Reconnect, attempt: number, closeCode?: number): number {
  if (closeCode !== undefined && LATER.has(closeCode)) return LATER_MS + Math.random() * (MAX_DELAY_MS - LATER_MS);
  return Math.random() * Math.min(MAX_DELAY_MS, policy.delay * 2 ** (attempt - 1));
}

/** Milliseconds that a server which closes asks its clients to stay away. */
export function toldToWait(closeReason: string): number | undefined {
  const told = /reconnect_after_ms=(\d+)/.exec(closeReason);
  return told ? Number(told[1]) : undefined;
}

/** Whether attempt 1, 2, … in a row may be made after a connection that ended so. */
export function mayReconnect(policy: Reconnect, attempt: number, closeCode: number): boolean {
  const final = closeCode >= FINAL_CLOSE_CODE && closeCode < 5000;
  return policy.enabled && !final && attempt <= policy.maxAttempts;
}

export function isOurFault(closeCode: number): boolean {
  return OUR_FAULT.has(closeCode);
}
