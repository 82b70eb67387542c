import type { Socket } from "node:net";
import { Stream, type Writable } from "node:stream";
import postgres from "postgres";
import { within } from "./deadlines.ts";
import { openDriver } from "./driver.ts";
import { DatabaseError, refusalOf, sqlState, unprepared, Unreachable } from "./errors.ts";
import type { Owner } from "./owner.ts";
import { describeDatabase } from "./settings.ts";
import { type Backend, cancel, dial, gathering } from "./socket.ts";
import { emptied, type Query, type Unit } from "./unit.ts";

/** Milliseconds that a statement has to stop, and the request for it to arrive. */
const stopMs = 1000;

/** Milliseconds for which an interruption may be due to a request to stop another statement. */
const echoMs = 5000;

/** Texts that are prepared on one connection at most: the server keeps 10 kB and more for each. */
const mostTexts = 500;

/**
 * One connection, opened when it is first used, on which several units of work may be under way.
 * Each ends with a Sync of its own, so that it is a transaction of its own, done or not, whatever
 * becomes of the others; the server works on them one after the other, and answers in that order.
 */
export class Client {
  /** In the order in which they were sent: the server is at the first one. */
  readonly underWay = new Set<Unit>();
  /** Milliseconds that the server will be at them, as it seems. */
  aheadMs = 0;
  /** `leaving` takes nothing more and waits for its answers; `gone` is closed or broken. */
  phase: "dialling" | "open" | "leaving" | "gone" = "dialling";
  /** When the last unit was sent, and when the server was last heard of, by performance.now(). */
  usedAt = 0;
  heardAt = 0;
  /** What `heardAt` was when the pool last looked. */
  seenAt = 0;
  /** A request to stop the statement at work is on its way, and could meet the next one. */
  stopping: Promise<void> | undefined;
  /** When one was last sent. */
  stoppedAt = -Infinity;
  readonly #sql: postgres.Sql;
  readonly #owner: Owner<Client>;
  readonly #sockets = new Set<Socket>();
  /** Texts that are being prepared (false) or are prepared (true). */
  readonly #texts = new Map<string | undefined, boolean>();
  /** Resolved when nothing is under way, or no answer is to be waited for any longer. */
  readonly #over = Promise.withResolvers<void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dialled = false;

  constructor(owner: Owner<Client>) {
    this.#owner = owner;
    this.#sql = openDriver(owner.settings, owner.applicationName, () => this.#connect());
  }

  /** postgres.js dials again and again while a server hangs up at once: one dial a client. */
  async #connect(): Promise<Socket> {
    if (this.#dialled || this.phase !== "dialling") {
      throw new Error("the server closed the connection before it was ready");
    }
    this.#dialled = true;
    const socket = await dial(this.#owner.settings, this.#own);
    socket.once("close", () => this.#break());
    return gathering(socket);
  }

  /** Puts it behind what is under way. The pool has made sure that it may. */
  send(unit: Unit, now: number) {
    if (this.underWay.size === 0) this.heardAt = now;
    this.underWay.add(unit);
    this.aheadMs += unit.workMs;
    this.usedAt = unit.sentAt = now;
    unit.client = this;
    const query = unit.query = unit.start(this.#sql, this.#prepares(unit));
    query.then(
      (raw) => {
        if (unit.query !== query) return;
        if (raw instanceof Stream) return this.#refuseCopy(unit, raw as Writable);
        // What comes after the answers got out of step is another one's.
        if (this.phase === "gone") return this.#failed(unit, query, new Error("out of step"));
        this.#answered(unit, query);
        if (!unit.done) this.#owner.succeeded(unit, raw);
        this.#owner.free();
      },
      (error) => unit.query === query && this.#failed(unit, query, error),
    );
  }

  /**
   * Whether the unit is sent as a prepared statement. While the first of a text is under way, the
   * driver would prepare the others once more under another name: they are sent without one.
   */
  #prepares({ text }: Unit): boolean {
    if (text === undefined || !this.#owner.prepared.inUse) return false;
    const prepared = this.#texts.get(text);
    if (prepared === undefined) this.#texts.set(text, false);
    return prepared !== false;
  }

  #answered(unit: Unit, query: Query) {
    const now = performance.now();
    if (this.phase === "dialling") {
      this.phase = "open";
      this.#owner.work.opened(now - unit.sentAt);
      this.#owner.prepared.opened(query.state as Backend);
    } else this.#owner.work.heard(unit.text, now - unit.sentAt, now - this.heardAt);
    this.heardAt = now;
    this.#remove(unit);
    if (this.#texts.has(unit.text)) this.#texts.set(unit.text, true);
    // The driver has prepared it again and sent it again by itself.
    if (query.retried && unprepared.has(query.retried.code)) this.#owner.prepared.forgot();
    if (!this.#owner.session && (unit.leavesTraces || this.#texts.size >= mostTexts)) this.leave();
  }

  /**
   * An error of the statement itself leaves the connection good; every other one ends it. A proxy may
   * call it an ERROR that it lets nobody in: no statement was sent then.
   */
  #failed(unit: Unit, query: Query, error: Error & { code?: string }) {
    const isOwn = error instanceof postgres.PostgresError && error.severity === "ERROR";
    if (isOwn && query.state && this.phase !== "gone") {
      this.#answered(unit, query);
      // The primary that it was has become a replica: the next connection may find the new one. A
      // session stays, for it has more than its connection to lose.
      if (error.code === sqlState.readOnly && !this.#owner.session) this.leave();
      if (unprepared.has(error.code)) this.#owner.prepared.forgot();
      const unclear = query.retried !== undefined ||
        error.code === sqlState.interrupted && performance.now() - this.stoppedAt < echoMs;
      if (!unit.done) this.#owner.refused(unit, refusalOf(error), unclear);
      this.#owner.free();
      return;
    }
    this.#break();
    this.#remove(unit);
    const where = describeDatabase(this.#owner.settings);
    const lost = new Unreachable(`${where}: ${error.message}`, error.code);
    this.#owner.lost(unit, lost, Boolean(query.state));
  }

  /**
   * The server takes what was sent behind `copy … from stdin` for its rows: it answers once for the two,
   * and the driver gives each answer after that to the wrong one.
   */
  #refuseCopy(unit: Unit, stream: Writable) {
    // An error that nobody listens to would end the process.
    stream.on("error", () => {}).destroy();
    this.#remove(unit);
    this.#break();
    const error = new DatabaseError(
      "copy from stdin and to stdout have nobody here who sends or takes the rows: use psql for that, or insert into … select from unnest(…)",
      sqlState.unsupported,
      undefined,
      {},
    );
    if (!unit.done) this.#owner.refused(unit, error, false);
  }

  #remove(unit: Unit) {
    this.underWay.delete(unit);
    // Sums of fractions are not exact.
    this.aheadMs = this.underWay.size > 0 ? this.aheadMs - unit.workMs : 0;
    unit.client = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#goOnLeaving();
  }

  /**
   * It closes when nothing is under way. The server works through all that was sent, whether anybody
   * waits for it or not: what nobody waits for is stopped when its turn comes.
   */
  #goOnLeaving() {
    if (this.phase !== "leaving") return;
    const [first] = this.underWay;
    if (first && !first.done) return;
    // Before the server has said who it is, nothing was sent.
    if (!first?.query?.state?.pid) return this.#over.resolve();
    this.stop();
    this.#hurry();
  }

  /**
   * The next answer comes soon, or is not waited for. In two steps, since it may be this process that
   * was busy, and the answer lies there unread.
   */
  #hurry() {
    this.#timer ??= setTimeout(() => {
      this.#timer = setTimeout(this.#over.resolve, stopMs / 2);
    }, stopMs / 2);
  }

  /**
   * Asks the server to stop the statement that it is at. It may meet the next one instead, which has
   * done nothing then, as its error says.
   */
  stop() {
    const [first] = this.underWay;
    // There is nobody to ask before the server has said who it is.
    if (!first?.query?.state?.pid || this.stopping) return;
    this.stoppedAt = performance.now();
    this.stopping = within(stopMs, this.#askToStop(first)).then(() => {
      this.stopping = undefined;
      // Answered meanwhile: the next one has its turn.
      if (!this.underWay.has(first)) this.#goOnLeaving();
      this.#owner.free();
    });
  }

  /** A request that comes before its statement is forgotten, without a word: it is asked again. */
  async #askToStop(unit: Unit) {
    const { query } = unit;
    const answered = Promise.resolve(query).then(() => {}, () => {});
    for (let waitMs = 50; waitMs < stopMs && this.underWay.has(unit); waitMs *= 2) {
      await cancel(this.#owner.settings, query!.state as Backend, this.#own);
      await within(waitMs, answered);
    }
  }

  /** The first statement takes longer than its caller waits: it is stopped, the connection left. */
  giveUp() {
    this.stop();
    this.leave();
    this.#hurry();
  }

  /** Nothing was sent yet. */
  get isOpening(): boolean {
    return this.phase === "dialling" && [...this.underWay].some(({ query }) => !query?.state);
  }

  /** It is late in opening: its unit is for another connection, and it goes on opening for nobody. */
  handOver(unit: Unit) {
    const nothing = emptied(unit.query!);
    unit.query = undefined;
    this.#remove(unit);
    this.#texts.clear();
    this.send(nothing, this.usedAt);
    this.#owner.lost(unit, new Unreachable("it does not open"), false);
  }

  /** Takes nothing more, and closes when the last answer is there. */
  leave() {
    if (this.phase === "leaving" || this.phase === "gone") return;
    this.phase = "leaving";
    this.#goOnLeaving();
    this.#owner.left(this, this.#close(), false);
  }

  /** Its answers will not come any more. */
  #break() {
    const { phase, isOpening: losing } = this;
    this.phase = "gone";
    if (phase === "dialling" || phase === "open") this.#owner.left(this, this.#close(), losing);
    this.#over.resolve();
  }

  async #close() {
    await this.#over.promise;
    // A pooler forgets whom the request is for as soon as this connection is gone.
    if (this.phase === "leaving") await this.stopping;
    clearTimeout(this.#timer);
    const orderly = this.phase === "leaving" && this.underWay.size === 0;
    this.phase = "gone";
    const ended = this.#sql.end({ timeout: orderly ? 1 : 0 }).catch(() => {});
    if (orderly) await ended;
    // end() alone waits for ever for a peer that is gone.
    await Promise.all(Array.from(this.#sockets, (socket) => {
      const closed = Promise.withResolvers<void>();
      socket.once("close", closed.resolve);
      socket.destroy();
      return closed.promise;
    }));
  }

  #own = (socket: Socket) => {
    this.#sockets.add(socket.once("close", () => this.#sockets.delete(socket)));
  };
}
