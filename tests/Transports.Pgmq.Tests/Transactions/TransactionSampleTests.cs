using Npgsql;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>The sample of docs/transactions.md.</summary>
public sealed class TransactionSampleTests(Database database) : IClassFixture<Database>
{
    [Fact]
    public async Task An_order_is_paid_once()
    {
        Database.Require();
        await database.SqlAsync("create table orders (id int primary key, total numeric); create table payments (order_id int, total numeric)");
        var paid = new TaskCompletionSource<int>();
        await using var host = await TransactionHost.StartAsync(database, messaging => messaging
            .AddConsumer<PaymentConsumer, OrderPlaced>(static o => o with { Transactional = true })
            .AddConsumer<OrderPaid>("shipping", (order, _, _) =>
            {
                paid.TrySetResult(order.Id);
                return new(Outcome.Ack);
            }));

        await PlaceAsync(host.Source, host.Bus);

        Assert.Equal(7, await paid.Task.WaitAsync(Database.Deadline));
        Assert.Equal(12.50m, await database.ScalarAsync<decimal>("select sum(p.total) from payments p join orders o on o.id = p.order_id"));
    }

    private static async Task PlaceAsync(NpgsqlDataSource dataSource, IMessageBus bus)
    {
        await using var connection = await dataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var insert = new NpgsqlCommand("insert into orders (id, total) values (7, 12.50)", connection);
        await insert.ExecuteNonQueryAsync();
        await bus.PublishAsync(new OrderPlaced(7, 12.50m), new() { Transaction = transaction });
        await transaction.CommitAsync();
    }
}

[Message("orders.placed")]
public sealed record OrderPlaced(int Id, decimal Total);

[Message("orders.paid")]
public sealed record OrderPaid(int Id);

public sealed class PaymentConsumer(IMessageBus bus) : IConsumer<OrderPlaced>
{
    public async ValueTask<Outcome> ConsumeAsync(OrderPlaced order, ConsumeContext context, CancellationToken cancellationToken)
    {
        await using var insert = new NpgsqlCommand("insert into payments (order_id, total) values ($1, $2)", context.NpgsqlConnection());
        insert.Parameters.Add(new NpgsqlParameter<int> { TypedValue = order.Id });
        insert.Parameters.Add(new NpgsqlParameter<decimal> { TypedValue = order.Total });
        await insert.ExecuteNonQueryAsync(cancellationToken);
        await bus.PublishAsync(new OrderPaid(order.Id), cancellationToken: cancellationToken); // joins by itself
        return Outcome.Ack;                                                                    // settles, and commits all three
    }
}
