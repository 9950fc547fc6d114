// Alpaca's own JavaScript client against the built-in exchange: it places, replaces and cancels a bracket and reads the stream.
//
//   make exchange                                # in one terminal: prints the address and the keys
//   npm install && EXCHANGE_URL=http://127.0.0.1:PORT APCA_API_KEY_ID=exchange APCA_API_SECRET_KEY=exchange npm start
//
// Times differ between markets, so the exchange is first told to go to an instant at which its market is open: ADVANCE_TO.
"use strict";

const assert = require("node:assert");
const { Alpaca } = require("@alpacahq/alpaca-trade-api");

const url = process.env.EXCHANGE_URL;
const symbol = process.env.SYMBOL || "AAPL";
const keyId = process.env.APCA_API_KEY_ID;
const secret = process.env.APCA_API_SECRET_KEY;
if (!url || !keyId || !secret) {
  console.error("set EXCHANGE_URL, APCA_API_KEY_ID and APCA_API_SECRET_KEY to those of a running exchange");
  process.exit(2);
}

// The client has no option for another address, but takes another fetch: every request goes to the exchange.
const alpaca = new Alpaca({
  keyId,
  secret,
  paper: true,
  retry: false,
  fetchApi: (address, init) => {
    const { pathname, search } = new URL(address);
    return fetch(url + pathname + search, init);
  },
});

const heard = [];
const listeners = new Set();

function listen() {
  const stream = alpaca.trading.stream({ url: url.replace("http", "ws") + "/stream" });
  stream.onTradeUpdate((update) => {
    heard.push(update);
    console.log(`  stream: ${update.event} ${update.order.side} ${update.order.type} ${update.order.status}`);
    listeners.forEach((tell) => tell());
  });
  return new Promise((resolve, reject) => {
    stream.onError((error) => reject(new Error(`stream: ${error}`)));
    stream.onConnect(() => stream.subscribeTradeUpdates());
    stream.on("subscription", () => resolve(stream));
    stream.connect();
  });
}

function until(what, holds) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${what}: not heard within 10 seconds`)), 10_000);
    const look = () => {
      const update = heard.find(holds);
      if (update) {
        clearTimeout(late);
        listeners.delete(look);
        resolve(update);
      }
    };
    listeners.add(look);
    look();
  });
}

const of = (id, event) => (update) => update.order.id === id && update.event === event;
const cents = (price) => price.toFixed(2);

async function advance() {
  if (!process.env.ADVANCE_TO) return;
  const headers = { "APCA-API-KEY-ID": keyId, "APCA-API-SECRET-KEY": secret, "content-type": "application/json" };
  const body = JSON.stringify({ to: process.env.ADVANCE_TO });
  const answer = await fetch(`${url}/admin/advance`, { method: "POST", headers, body });
  assert.equal(answer.status, 200, await answer.text());
}

async function restingBracket(last) {
  const clientOrderId = `node-${Date.now()}-resting`;
  const order = await alpaca.trading.orders.bracket({
    symbol, qty: 10, side: "buy", timeInForce: "gtc", clientOrderId,
    limitPrice: cents(last * 0.9), takeProfit: { limitPrice: cents(last * 1.1) }, stopLoss: { stopPrice: cents(last * 0.8) },
  });
  console.log(`placed   ${order.orderClass} ${order.status}, legs ${order.legs.map((leg) => `${leg.type} ${leg.status}`)}`);
  assert.deepEqual(order.legs.map((leg) => leg.status), ["held", "held"]);
  await until("new", of(order.id, "new"));
  const moved = await alpaca.trading.orders.patchOrderByOrderId({
    orderId: order.id, patchOrderRequest: { limitPrice: cents(last * 0.91) },
  });
  console.log(`replaced ${moved.status}, limit ${order.limitPrice} -> ${moved.limitPrice}`);
  assert.equal(moved.replaces, order.id);
  await until("replaced", of(order.id, "replaced"));
  await alpaca.trading.orders.deleteOrderByOrderID({ orderId: moved.id });
  await until("canceled", of(moved.id, "canceled"));
  const nested = await alpaca.trading.orders.getOrderByOrderID({ orderId: moved.id, nested: true });
  console.log(`canceled ${nested.status}, legs ${(nested.legs || []).map((leg) => leg.status)}`);
  assert.equal(nested.status, "canceled");
}

async function filledBracket(last) {
  const order = await alpaca.trading.orders.bracket({
    symbol, qty: 10, side: "buy", timeInForce: "gtc",
    takeProfit: { limitPrice: cents(last * 1.2) }, stopLoss: { stopPrice: cents(last * 0.8) },
  });
  await until("fill", of(order.id, "fill"));
  const [target, stop] = order.legs;
  await until("target", of(target.id, "new"));
  const moved = await alpaca.trading.orders.patchOrderByOrderId({
    orderId: target.id, patchOrderRequest: { limitPrice: cents(last * 1.3) },
  });
  console.log(`filled; take-profit moved ${target.limitPrice} -> ${moved.limitPrice}`);
  await until("replaced", of(target.id, "replaced"));
  await alpaca.trading.orders.deleteOrderByOrderID({ orderId: moved.id });
  await until("canceled", of(moved.id, "canceled"));
  const left = await alpaca.trading.orders.getOrderByOrderID({ orderId: stop.id });
  const position = await alpaca.trading.positions.getOpenPosition({ symbolOrAssetId: symbol });
  console.log(`canceled the exits: stop ${left.status}; position ${position.qty}, available ${position.qtyAvailable}`);
  assert.equal(left.status, "canceled");
  assert.equal(position.qty, position.qtyAvailable);
}

async function main() {
  await advance();
  const check = await alpaca.trading.validateConnection();
  assert.ok(check.ok, check.message);
  const last = await alpaca.marketData.getLatestPrice(symbol);
  console.log(`account ${check.account.accountNumber}, cash ${check.account.cash}; ${symbol} at ${last}`);
  const stream = await listen();
  await restingBracket(last);
  await filledBracket(last);
  stream.disconnect();
  console.log(`done: ${heard.length} trade updates`);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
