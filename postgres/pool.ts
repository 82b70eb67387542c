import { Client } from "./client.ts";
import { Deadlines } from "./deadlines.ts";
import { type DatabaseError, DeadlinePassed, sqlState, unprepared, Unreachable } from "./errors.ts";
import type { Owner } from "./owner.ts";
import { Places } from "./places.ts";
import { type PoolOptions, type PoolStats, statsOf } from "./pool_options.ts";
import { Prepared } from "./prepared.ts";
import type { DatabaseSettings } from "./settings.ts";
import { Turns } from "./turns.ts";
import type { Unit } from "./unit.ts";
import { isSilent, lookAfter, stuckMs } from "./watch.ts";
import { slowMs, Work } from "./work.ts";

/** Units under way on one connection at most. */
const mostUnderWay = 32;

/**
 * Milliseconds of the server's work ahead of a unit, before another connection is used; half a round
 * trip where that is more, so that it is done after one and a half at the latest. This process needs as
 * much for 32 requests: more connections would be no faster, and each wakes up for itself.
 */
const leastAheadMs = 8;

/** How often it is looked whether anything is stuck. */
const watchMs = 25;

/** Times that a unit is sent again after the server refused it for reasons that may pass. */
const mostRepeats = 4;

const conflict = /^40(001|P01)$/;

/** The connections, and which unit of work goes to which of them. */
export class Pool implements Owner<Client> {
  readonly prepared: Prepared;
  readonly work = new Work();
  readonly applicationName: string;
  readonly session: boolean;
  readonly #clients: Client[] = [];
  readonly #places = new Places(this.#clients);
  /** In their order: who wants a connection alone keeps one free from those behind. */
  readonly #waiting = new Set<Unit>();
  readonly #leaving = new Map<Client, Promise<void>>();
  readonly #deadlines: Deadlines<Unit>;
  readonly #turns = new Turns((unit) => this.#start(unit));
  readonly #drained = Promise.withResolvers<void>();
  #closing = false;
  #sweeper: ReturnType<typeof setTimeout> | undefined;
  #watcher: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly settings: DatabaseSettings, readonly options: PoolOptions) {
    this.prepared = new Prepared(settings.preparedStatements, options, () => this.free());
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
    return statsOf(this.options.size, this.#clients, this.#waiting.size);
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
    await Promise.all([...this.#leaving.values(), asked]);
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
      } else if (!this.#places.isHoping(unit) && (!unit.alone || ++kept >= this.options.size)) {
        return;
      }
    }
  }

  #send(client: Client, unit: Unit, now: number) {
    client.send(unit, now);
    if (client.underWay.size > 1 || client.phase === "dialling") this.#watch();
  }

  /**
   * The first connection that will be done soon, so that few do the work and wake up less often;
   * else a new one, and the least busy one where there can be no new one. Of the connections that a
   * unit is not alone on, `kept` become free for those that want to be.
   */
  #choose(unit: Unit, now: number, kept = 0): Client | undefined {
    unit.workMs = this.work.of(unit.text);
    const aheadMs = Math.max(leastAheadMs, this.work.roundTripMs / 2);
    let best: Client | undefined;
    for (const client of this.#clients) {
      const { size } = client.underWay;
      if (client.stopping || size > 0 && !this.#takesMore(client, unit, now)) continue;
      if (unit.alone ? size > 0 : kept-- > 0) continue;
      if (size === 0 || size < mostUnderWay && client.aheadMs < aheadMs) return client;
      if (size < mostUnderWay && client.aheadMs < (best?.aheadMs ?? Infinity)) best = client;
    }
    const all = this.#clients.length + this.prepared.connections;
    const hasRoom = all < this.options.size && !this.#places.isFull(now);
    if (this.#clients.length === 0 || hasRoom && !this.#places.isHoping(unit)) {
      const client = new Client(this);
      this.#clients.push(client);
      return client;
    }
    // One that is about to open is better than much work ahead.
    return this.#places.opens() ? undefined : best;
  }

  /**
   * Whether the unit may be put behind what is under way there: not where both take so long that it
   * would have to be freed from the other.
   */
  #takesMore(client: Client, unit: Unit, now: number): boolean {
    const [first] = client.underWay;
    return this.prepared.inUse && client.phase === "open" && !first!.alone &&
      !isSilent(client, this.work, now, slowMs) &&
      Math.min(client.aheadMs, unit.workMs) < stuckMs / 2;
  }

  succeeded(unit: Unit, raw: unknown) {
    this.#end(unit);
    unit.resolve(raw);
  }

  refused(unit: Unit, error: DatabaseError, unclear: boolean) {
    const { code } = error;
    const now = performance.now();
    // A session may have a transaction open, which is aborted then.
    const again = conflict.test(code) && !this.session || unclear || unprepared.has(code);
    if (!again || unit.leavesTraces || unit.repeats === mostRepeats) {
      return this.#reject(unit, error);
    }
    unit.repeats++;
    // Else it could be interrupted five times.
    unit.alone ||= code === sqlState.interrupted;
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
    const now = performance.now();
    if (unit.done) return this.free();
    if (!sent) return this.#keptOut(unit, error, now);
    if (!unit.isRead || unit.lost || this.session) return this.#reject(unit, error);
    unit.lost = true;
    this.#submit(unit, now);
  }

  /**
   * The server has no room for more, as it seems (53300): others may serve it. Where none opens, all who
   * were kept out are told.
   */
  #keptOut(unit: Unit, error: Error, now: number) {
    if (this.#places.waits(unit, error, now)) {
      this.#watch();
      return this.#submit(unit, now);
    }
    this.#reject(unit, error);
    this.#rejectRefused(now);
    this.free();
  }

  #rejectRefused(now: number) {
    this.#places.none(now);
    for (const unit of this.#waiting) {
      if (!unit.refusal) continue;
      this.#waiting.delete(unit);
      this.#reject(unit, unit.refusal);
    }
  }

  left(client: Client, end: Promise<void>, losing: boolean) {
    this.#clients.splice(this.#clients.indexOf(client), 1);
    this.#leaving.set(client, end.finally(() => this.#leaving.delete(client)));
    if (!losing) this.free();
  }

  free() {
    if (!this.session && !this.#closing) {
      this.#sweeper ??= setTimeout(this.#sweep, this.options.idleMs);
    }
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
    const [first] = client.underWay;
    // Where the server is at others still, it is not this one that holds them up. And what is answered
    // soon costs less than a request to stop it, and a connection.
    if (client.isOpening || first === unit && isSilent(client, this.work, now, slowMs)) {
      client.giveUp();
    } else this.#watch();
  }

  /** While statements are under way together, somebody must see to it that none holds up the others. */
  #watch() {
    this.#watcher ??= setTimeout(this.#look, watchMs);
  }

  #look = () => {
    this.#watcher = undefined;
    const now = performance.now();
    let watching = false;
    for (const client of [...this.#clients, ...this.#leaving.keys()]) {
      const opensLate = () => this.#opensLate(client, now);
      watching = lookAfter(client, this.work, now, this.options.deadlineMs, opensLate) || watching;
    }
    const isFull = this.#places.isFull(now);
    if (watching || isFull) this.#watch();
    if (!isFull) this.#serve(now);
  };

  #opensLate(client: Client, now: number) {
    const [first] = client.underWay;
    if (this.#places.hasOpen()) client.handOver(first!);
    else this.#rejectRefused(now);
  }

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
