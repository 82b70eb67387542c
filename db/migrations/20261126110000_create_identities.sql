-- Who signs in by an OpenID Connect issuer: the issuer and the subject name a person, and nothing
-- else does. An address never joins two accounts, since an issuer may hand it to somebody new.
-- lock: share row exclusive on users, for a moment
-- down loses table identities: each person gets a new account at the next sign-in

-- migrate:up
create table identities (
  owner_id bigint not null,
  issuer text not null,
  subject text not null,
  created_at timestamptz not null default now(),
  constraint identities_pkey primary key (owner_id, issuer, subject),
  constraint identities_subject_key unique (issuer, subject),
  constraint identities_owner_id_fkey foreign key (owner_id) references users (id) on delete cascade,
  constraint identities_issuer_check check (char_length(issuer) between 1 and 1000),
  constraint identities_subject_check check (char_length(subject) between 1 and 255)
);

comment on table identities is 'Who a user is to an OpenID Connect issuer.';
comment on column identities.subject is 'The claim sub, which an issuer never gives to somebody else.';

-- migrate:down
drop table identities;
