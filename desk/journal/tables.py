"""The journal's tables as this version reads and writes them. `desk.journal.schema` makes them."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

meta_table = sa.Table("meta", metadata, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False))

rows_table = sa.Table(
    "rows",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("step_key", sa.Text, unique=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
)

lease_table = sa.Table(
    "lease",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("beat_at", sa.Text, nullable=False),
    sa.Column("until", sa.Text, nullable=False),
    sa.Column("released", sa.Integer, nullable=False),
    sa.Column("heartbeat", sa.Text, nullable=False),
)
