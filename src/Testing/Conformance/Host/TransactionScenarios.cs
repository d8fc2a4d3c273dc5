using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Transactional handling, where the transport says that it can; elsewhere the host must not start.</summary>
public abstract class TransactionScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    [Scenario(Fault.ClaimsTransactions)]
    public async Task What_a_transactional_handler_publishes_comes_if_it_is_done_or_its_host_does_not_start()
    {
        var (queue, topic) = (NewName(), NewName());
        var transport = await ConnectAsync();
        var published = await QueueAsync(transport, topic);
        void Register(MessagingBuilder messaging) => messaging.AddConsumer<Job>(
            queue,
            async (job, context, cancellationToken) =>
            {
                await context.Services.GetRequiredService<IMessageBus>().PublishAsync(job, new() { Topic = topic }, cancellationToken);
                return job.Number == 1 ? Outcome.DeadLetter("not done") : Outcome.Ack;
            },
            static options => options with { Transactional = true, Concurrency = 1 });

        if (!transport.Capabilities.Transactions.IsSupported)
        {
            var error = await Assert.ThrowsAsync<MessagingConfigurationException>(() => BeginHostAsync(transport, Register));
            Assert.Contains($"'{queue}'", error.Message, StringComparison.Ordinal);
            return;
        }

        var host = await BeginHostAsync(transport, Register);
        await host.Status.Ready.WaitAsync(Fixture.Patience, Time);
        await host.Bus.SendAsync(queue, new Job(1));
        await host.Bus.SendAsync(queue, new Job(2));

        await using var receiver = await OpenAsync(transport, published);
        var come = await DrainAsync(receiver, 1);
        await NothingComesAsync(receiver);
        Assert.Contains("2", Encoding.UTF8.GetString(come[0].Envelope.Body.Span), StringComparison.Ordinal);
        await DeadLetterAsync(transport, queue);
    }
}
