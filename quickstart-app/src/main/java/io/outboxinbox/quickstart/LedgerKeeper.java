package io.outboxinbox.quickstart;

import io.outboxinbox.quickstart.inventory.InventoryService;
import io.outboxinbox.quickstart.inventory.OrderEvent;
import io.outboxinbox.quickstart.proof.EventKey;
import io.outboxinbox.quickstart.proof.Ledger;

/** Notes in the ledger what the inventory sees, so that the inventory need not know of it. */
record LedgerKeeper(Ledger ledger) implements InventoryService.Watcher {

  @Override
  public void received(OrderEvent event, long nanoTime) {
    ledger.received(key(event), nanoTime);
  }

  @Override
  public void applied(OrderEvent event, boolean first, long nanoTime) {
    ledger.applied(key(event), first, nanoTime);
  }

  static EventKey key(OrderEvent event) {
    return new EventKey(event.payload().orderId(), event.payload().version());
  }
}
