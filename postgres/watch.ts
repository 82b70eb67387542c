import type { Client } from "./client.ts";
import type { Connection } from "./unit.ts";
import { slowMs, type Work } from "./work.ts";

/** What others wait behind for so long is stopped, and done again on a connection of its own. */
export const stuckMs = 250;

/** Milliseconds after which nobody waits for a connection beside open ones, and none is opened then. */
export const fullMs = 1000;

/** Whether the server is at its first statement, or the way, for longer than that. */
export function isSilent({ heardAt }: Connection, work: Work, now: number, ms: number): boolean {
  return now - heardAt > ms + 2 * work.roundTripMs;
}

/**
 * Looks after one connection, so that no statement holds up the others. True where it is to be looked
 * at again; `opensLate` is called where somebody has waited for it to open for too long.
 */
export function lookAfter(
  client: Client,
  work: Work,
  now: number,
  deadlineMs: number,
  opensLate: () => void,
): boolean {
  const [first] = client.underWay;
  if (!first) return false;
  if (client.isOpening) {
    client.heardAt = now;
    const openingMs = now - client.usedAt;
    if (first.done) {
      if (openingMs > deadlineMs) client.leave();
    } else if (openingMs > fullMs + 10 * work.roundTripMs) opensLate();
    return true;
  }
  if (client.underWay.size === 1 && !first.done) return false;
  // Twice, since it may be this process that was busy, and the answer lies there unread.
  const silent = client.seenAt === client.heardAt;
  client.seenAt = client.heardAt;
  if (!silent) return true;
  // Those behind it may have waited for another one that was stuck.
  const patienceMs = first.sentAt < client.stoppedAt ? slowMs : stuckMs;
  if (first.done && isSilent(client, work, now, slowMs)) client.giveUp();
  else if (isSilent(client, work, now, patienceMs)) {
    first.alone = true;
    client.stop();
  }
  return true;
}
