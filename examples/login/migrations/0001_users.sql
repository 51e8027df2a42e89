create table users (
    id integer primary key,
    name text not null unique,
    password text not null
) strict;

-- A session is found by the hash of its token: who reads this table cannot take one over.
create table sessions (
    token_hash blob primary key,
    user_id integer not null references users (id) on delete cascade,
    expires_at integer not null
) strict, without rowid;

create index sessions_by_expiry on sessions (expires_at);
