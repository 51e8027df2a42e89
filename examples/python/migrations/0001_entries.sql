create table entries (
    id integer primary key,
    text text not null,
    written_at text not null default (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
) strict;
