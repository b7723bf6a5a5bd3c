-- Until when attempts to send work may take effect, in microseconds since 1970; NULL where nobody noted them.
ALTER TABLE outgoing ADD COLUMN may_land_until INTEGER;
