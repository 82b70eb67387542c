import { type Scope, scopes } from "./_scope.ts";
import { sql, type Statement } from "../postgres/mod.ts";

/** A person as an OpenID Connect issuer names them, from an access token that was verified. */
export interface Identity {
  /** Their user, where this instance has seen them before; else `callersId`. */
  ownerId: string | Statement;
  issuer: string;
  subject: string;
  /** The widest scope that the token has. */
  scope: Scope;
  /** For the account that the first token makes. The address only where the issuer has verified it. */
  name: string;
  email: string | undefined;
}

/** The owner of a person whose number is not known before their statement runs. */
export const callersId = sql`(select id from caller)`;

/**
 * The CTE `caller` of a person who signs in. The first statement of a new person makes their account
 * as well. Of two such at once the second fails on `users_email_key` or `identities_subject_key`,
 * which undoes all of it, and is run again.
 */
export function identified(identity: Identity, scope: Scope): Statement {
  const { ownerId, issuer, subject } = identity;
  const allowed = scopes.indexOf(identity.scope) >= scopes.indexOf(scope);
  const admin = identity.scope === "admin";
  if (typeof ownerId === "string") {
    return sql`caller as materialized (
      select i.owner_id as id, ${allowed}::boolean as allowed, ${admin}::boolean as admin
      from identities i
      where i.owner_id = ${ownerId} and i.issuer = ${issuer} and i.subject = ${subject}
    )`;
  }
  return sql`known as (
      select i.owner_id from identities i where i.issuer = ${issuer} and i.subject = ${subject}
    ),
    account as (
      insert into users as u (name, email)
      select ${identity.name}, ${address(identity)}
      where not exists (select from known)
      returning u.id
    ),
    signed_in as (
      insert into identities as i (owner_id, issuer, subject)
      select account.id, ${issuer}, ${subject}
      from account
      returning i.owner_id
    ),
    caller as materialized (
      select owner_id as id, ${allowed}::boolean as allowed, ${admin}::boolean as admin
      from (select owner_id from known union all select owner_id from signed_in) person
    )`;
}

/**
 * The verified address, if it is free: else one that cannot be (RFC 6761 keeps `.invalid` for that),
 * which its user may change. Nobody can guess it and take it before. Somebody's address is never
 * taken for a proof of who they are.
 */
function address({ email }: Identity): Statement {
  return sql`coalesce(
        (select given from (select ${email ?? null}::text as given) claimed
         where given is not null
           and not exists (select from users o where lower(o.email) = lower(given))),
        gen_random_uuid() || '@users.invalid'
      )`;
}
