/** When to come back, and whether. The wait is a random part of `delay` (ms), doubled with each attempt, up to 30 s. */
export interface Reconnect {
  enabled: boolean;
  maxAttempts: number;
  delay: number;
}

export const DEFAULT_RECONNECT: Reconnect = {enabled: true, maxAttempts: 10, delay: 1000};

const MAX_DELAY_MS = 30_000;
// 4500 and above are final: the same connection would be refused again.
const FINAL_CLOSE_CODE = 4500;

/** Milliseconds before attempt 1, 2, …; a server that says how long is believed. */
export function waitBefore(policy: Reconnect, attempt: number, closeReason: string): number {
  const told = attempt === 1 ? /(?:reconnect_after_ms|retry_after_ms)=(\d+)/.exec(closeReason) : null;
  if (told) return Number(told[1]);
  return Math.random() * Math.min(MAX_DELAY_MS, policy.delay * 2 ** (attempt - 1));
}

/** Whether attempt 1, 2, … may be made after a connection that ended so. */
export function mayReconnect(policy: Reconnect, attempt: number, closeCode: number): boolean {
  const final = closeCode >= FINAL_CLOSE_CODE && closeCode < 5000;
  return policy.enabled && !final && attempt <= policy.maxAttempts;
}
