using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

public sealed class RenewalTests(Database database) : IClassFixture<Database>
{
    [Theory]
    [InlineData(SettlementKind.Release)]
    [InlineData(SettlementKind.Retry)]
    public async Task A_late_renewal_does_not_hide_what_went_back(SettlementKind kind)
    {
        Database.Require();
        var queue = Database.NewQueue();
        await using var transport = database.Transport();
        await transport.DeclareAsync(new([queue], []), Database.Deadline);
        await transport.PublishAsync(new[] { new OutgoingMessage(Destination.Queue(queue), Database.Message("1")) }, new PublishResult[1], Database.Deadline);
        await using var receiver = await transport.OpenReceiverAsync(new() { Queue = queue, Lease = TimeSpan.FromMinutes(5) }, Database.Deadline);
        var delivery = Assert.Single(await receiver.ReceiveAsync(1, Database.Deadline));
        var results = new SettleResult[1];

        var back = kind == SettlementKind.Release ? Settlement.Release(delivery) : Settlement.Retry(delivery, TimeSpan.Zero);
        await receiver.SettleAsync(new[] { back }, results, Database.Deadline);
        Assert.Equal(SettleStatus.Settled, results[0].Status);
        await ((ILeaseRenewal)receiver).RenewAsync(new[] { delivery }, results, Database.Deadline);

        Assert.Equal(SettleStatus.Lost, results[0].Status);
        Assert.Single(await receiver.ReceiveAsync(1, Database.Deadline));
    }
}
