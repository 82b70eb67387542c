import { Client, type Owner, unprepared } from "./client.ts";
import { Deadlines } from "./deadlines.ts";
import { type DatabaseError, DeadlinePassed, Unreachable } from "./errors.ts";
import type { PoolOptions, PoolStats } from "./pool_options.ts";
import { Prepared } from "./prepared.ts";
import type { DatabaseSettings } from "./settings.ts";
import { Turns } from "./turns.ts";
import type { Connection, Unit } from "./unit.ts";

/** Units under way on one connection at most. */
const mostUnderWay = 16;

/**
 * Milliseconds of the server's work ahead of a unit, before another connection is used; half a round
 * trip where that is more, so that it is done after one and a half at the latest.
 */
const leastAheadMs = 1;

/** Nothing is put behind a statement that has run for so many milliseconds beside the round trip. */
const slowMs = 25;

/** What others wait behind for so long is stopped, and done again on a connection of its own. */
const stuckMs = 250;

/** How often it is looked whether anything is stuck. */
const watchMs = 25;

/** Times that a unit is sent again after the server refused it for reasons that may pass. */
const mostRepeats = 4;

/** Milliseconds for which an interruption may be due to a request to stop another statement. */
const echoMs = 5000;

const conflict = /^40(001|P01)$/;
const interrupted = "57014";

/** The connections, and which unit of work goes to which of them. */
export class Pool implements Owner {
  readonly prepared: Prepared;
  readonly applicationName: string;
  readonly session: boolean;
  readonly #clients: Client[] = [];
  /** In their order: who wants a connection alone keeps one free from those behind. */
  readonly #waiting = new Set<Unit>();
  readonly #leaving = new Set<Promise<void>>();
  readonly #deadlines: Deadlines<Unit>;
  readonly #turns = new Turns((unit) => this.#start(unit));
  readonly #drained = Promise.withResolvers<void>();
  /** The shortest time in which an answer came, which is forgotten by and by; a guess before the first. */
  #roundTripMs = 100;
  #heard = false;
  /** How long the server was at one statement, lately. */
  #workMs = 0.1;
  #stoppedAt = -Infinity;
  #closing = false;
  #sweeper: ReturnType<typeof setTimeout> | undefined;
  #watcher: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly settings: DatabaseSettings, readonly options: PoolOptions) {
    const { keepsStatements, warn } = options;
    this.prepared = new Prepared(
      settings.preparedStatements,
      keepsStatements,
      warn,
      () => this.free(),
    );
    this.applicationName = options.applicationName;
    this.session = options.session;
    this.#deadlines = new Deadlines(options.deadlineMs, (unit) => this.#late(unit));
  }

  /** Throws DatabaseError, Unreachable or DeadlinePassed. `hold` gets what ends it before its time. */
  run<Result>(unit: Unit<Result>, hold?: (stop: () => void) => void): Promise<Result> {
    const now = performance.now();
    unit.deadlineAt = now + this.options.deadlineMs;
    if (this.#closing) unit.reject(new Unreachable("the database is closed"));
    else {
      this.#deadlines.start(unit as Unit);
      hold?.(() => {
        if (!unit.done) this.#late(unit as Unit);
      });
      this.#submit(unit as Unit, now);
    }
    return unit.promise;
  }

  /** For the metrics. */
  stats(): PoolStats {
    const busy = this.#clients.filter(({ underWay }) => underWay.size > 0);
    return {
      size: this.options.size,
      open: this.#clients.length,
      busy: busy.length,
      waiting: this.#waiting.size,
      underWay: busy.reduce((all, { underWay }) => all + underWay.size, 0),
    };
  }

  /** Lets what is under way finish, refuses what waits, closes every connection. */
  async close() {
    this.#closing = true;
    const asked = this.prepared.close();
    for (const unit of this.#waiting) {
      this.#reject(unit, new Unreachable("the database is closing"));
    }
    this.#waiting.clear();
    if (this.#deadlines.size > 0) await this.#drained.promise;
    clearTimeout(this.#sweeper);
    clearTimeout(this.#watcher);
    for (const client of [...this.#clients]) client.leave();
    await Promise.all([...this.#leaving, asked]);
  }

  #submit(unit: Unit, now: number) {
    if (this.#turns.waits(unit)) return;
    const client = this.#waiting.size === 0 ? this.#choose(unit, now) : undefined;
    if (client) return this.#send(client, unit, now);
    this.#waiting.add(unit);
    if (this.#waiting.size > 1) this.#serve(now);
  }

  /** Sends of those that wait who can be sent. */
  #serve(now: number) {
    let kept = 0;
    for (const unit of this.#waiting) {
      // It is told so in this turn.
      if (unit.deadlineAt <= now) continue;
      const client = this.#choose(unit, now, kept);
      if (client) {
        this.#waiting.delete(unit);
        this.#send(client, unit, now);
      } else if (!unit.alone || ++kept >= this.options.size) return;
    }
  }

  #send(client: Client, unit: Unit, now: number) {
    client.send(unit, now);
    if (client.underWay.size > 1) this.#watch();
  }

  /**
   * The first connection that will be done soon, so that few do the work and wake up less often;
   * else a new one, and the least busy one where there can be no new one. Of the connections that a
   * unit is not alone on, `kept` become free for those that want to be.
   */
  #choose(unit: Unit, now: number, kept = 0): Client | undefined {
    const aheadMs = Math.max(leastAheadMs, this.#roundTripMs / 2);
    const soon = Math.min(mostUnderWay, aheadMs / this.#workMs);
    let best: Client | undefined;
    for (const client of this.#clients) {
      const { size } = client.underWay;
      if (client.stopping || size > 0 && !this.#takesMore(client, now)) continue;
      if (unit.alone ? size > 0 : kept-- > 0) continue;
      if (size === 0 || size < soon) return client;
      if (!best || size < best.underWay.size) best = client;
    }
    const { length } = this.#clients;
    if (length === 0 || length + this.prepared.connections < this.options.size) {
      const client = new Client(this);
      this.#clients.push(client);
      return client;
    }
    return best && best.underWay.size < mostUnderWay ? best : undefined;
  }

  /** Whether something may be put behind what is under way there. */
  #takesMore(client: Client, now: number): boolean {
    const [first] = client.underWay;
    return this.prepared.inUse && client.phase === "open" && !first!.alone &&
      !this.#isSilent(client, now, slowMs);
  }

  succeeded(unit: Unit, raw: unknown) {
    this.#end(unit);
    unit.resolve(raw);
  }

  heard(afterMs: number, sinceMs: number) {
    this.#roundTripMs = this.#heard ? Math.min(afterMs, this.#roundTripMs * 1.001) : afterMs;
    this.#heard = true;
    // It was there when the one before it was done, so that all the time since went into its own work.
    if (afterMs - sinceMs >= this.#roundTripMs) this.#workMs += (sinceMs - this.#workMs) / 32;
  }

  refused(unit: Unit, error: DatabaseError, unclear: boolean) {
    const { code } = error;
    const now = performance.now();
    const again = conflict.test(code) || unclear || unprepared.has(code) ||
      code === interrupted && now - this.#stoppedAt < echoMs;
    if (!again || unit.leavesTraces || unit.repeats === mostRepeats) {
      return this.#reject(unit, error);
    }
    unit.repeats++;
    if (!conflict.test(code) && !this.#turns.concern(unit)) return this.#submit(unit, now);
    const sent = this.#clients.flatMap(({ underWay }) => [...underWay]);
    this.#turns.undone(unit, sent, this.#waiting);
  }

  /** Its turn has come. Whoever met it may be of another process, and would meet it again. */
  #start(unit: Unit) {
    const pauseMs = unit.repeats && Math.random() * 20 * 2 ** unit.repeats;
    unit.timer = setTimeout(() => this.#submit(unit, performance.now()), pauseMs);
  }

  lost(unit: Unit, error: Error, sent: boolean) {
    if (!unit.isRead || !sent || unit.lost || this.session) return this.#reject(unit, error);
    unit.lost = true;
    this.#submit(unit, performance.now());
  }

  left(client: Client, end: Promise<void>) {
    const index = this.#clients.indexOf(client);
    if (index >= 0) this.#clients.splice(index, 1);
    const leaving: Promise<void> = end.finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
    this.free();
  }

  free() {
    if (!this.session) this.#sweeper ??= setTimeout(this.#sweep, this.options.idleMs);
    if (this.#waiting.size > 0) this.#serve(performance.now());
  }

  #end(unit: Unit) {
    this.#deadlines.end(unit);
    this.#turns.ended(unit);
    if (this.#closing && this.#deadlines.size === 0) this.#drained.resolve();
  }

  #reject(unit: Unit, error: Error) {
    this.#end(unit);
    unit.reject(error);
  }

  #late(unit: Unit) {
    const { client } = unit;
    const { size, deadlineMs } = this.options;
    const waited = this.#waiting.delete(unit);
    clearTimeout(unit.timer);
    const why = waited ? `all ${size} connections were busy for` : "no answer within";
    this.#reject(unit, new DeadlinePassed(`${why} ${deadlineMs} ms`));
    if (!client) return;
    const now = performance.now();
    // Where the server is at others still, it may not be this one that holds them up.
    if (client.underWay.size === 1 || this.#isSilent(client, now, slowMs)) {
      this.#giveUp(client, now);
    } else this.#watch();
  }

  #isSilent({ heardAt }: Connection, now: number, ms: number): boolean {
    return now - heardAt > ms + 2 * this.#roundTripMs;
  }

  #giveUp(client: Connection, now: number) {
    this.#stoppedAt = now;
    client.giveUp();
  }

  /** While statements are under way together, somebody must see to it that none holds up the others. */
  #watch() {
    this.#watcher ??= setTimeout(this.#look, watchMs);
  }

  #look = () => {
    this.#watcher = undefined;
    const now = performance.now();
    let watching = false;
    for (const client of [...this.#clients]) {
      const [first] = client.underWay;
      if (!first || client.underWay.size === 1 && !first.done) continue;
      watching = true;
      // Twice, since it may be this process that was busy, and the answer lies there unread.
      const silent = client.seenAt === client.heardAt;
      client.seenAt = client.heardAt;
      if (!silent) continue;
      if (first.done && this.#isSilent(client, now, slowMs)) this.#giveUp(client, now);
      else if (!first.alone && this.#isSilent(client, now, stuckMs)) {
        first.alone = true;
        this.#stoppedAt = now;
        client.stop();
      }
    }
    if (watching) this.#watch();
  };

  /** Closes the connections that nobody has used for long enough. */
  #sweep = () => {
    const { idleMs } = this.options;
    const before = performance.now() - idleMs;
    let oldest = before + idleMs;
    for (const client of [...this.#clients]) {
      if (client.underWay.size > 0) continue;
      if (client.usedAt <= before) client.leave();
      else oldest = Math.min(oldest, client.usedAt);
    }
    this.#sweeper = this.#clients.length > 0 ? setTimeout(this.#sweep, oldest - before) : undefined;
  };
}
