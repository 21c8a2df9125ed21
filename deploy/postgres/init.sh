#!/bin/bash
# Run once by the postgres image, when its volume is empty: a shop with orders and stock, a publication of both, and a
# user for Covet that may replicate and measure, but neither read nor write the tables.
set -euo pipefail
psql -v ON_ERROR_STOP=1 -v password="$(cat /run/secrets/database_password)" -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
CREATE TABLE stock (sku text PRIMARY KEY, quantity integer NOT NULL CHECK (quantity >= 0));
CREATE TABLE orders (
  order_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer text NOT NULL,
  sku text NOT NULL REFERENCES stock,
  quantity integer NOT NULL,
  status text NOT NULL DEFAULT 'open',
  created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO stock VALUES ('tea', 100), ('coffee', 100), ('cocoa', 100);

-- One order, shipped orders that are forgotten after ten minutes, and a delivery when the stock runs low.
CREATE PROCEDURE shop_tick() LANGUAGE plpgsql AS $$
DECLARE
  item text;
  number integer := 1 + floor(random() * 3);
BEGIN
  SELECT sku INTO item FROM stock ORDER BY random() LIMIT 1;
  UPDATE stock SET quantity = quantity + 100 WHERE sku = item AND quantity < 10;
  UPDATE stock SET quantity = quantity - number WHERE sku = item;
  INSERT INTO orders (customer, sku, quantity)
    VALUES ((ARRAY['Ada', 'Grace', 'Edsger'])[1 + floor(random() * 3)::int], item, number);
  UPDATE orders SET status = 'shipped' WHERE status = 'open' AND created_at < now() - interval '10 s';
  DELETE FROM orders WHERE created_at < now() - interval '10 min';
END $$;

CREATE ROLE covet LOGIN REPLICATION PASSWORD :'password';
GRANT pg_monitor TO covet;
CREATE PUBLICATION covet_shop FOR TABLE orders, stock;
SQL
