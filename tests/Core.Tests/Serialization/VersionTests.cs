using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Hosting;
using Postrider.Core.Serialization;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Serialization;

/// <summary>Types that were renamed, and bodies of older versions.</summary>
public sealed class VersionTests
{
    private static readonly Func<OrderV1, OrderV2> FirstStep = static old => new(old.Item, old.Count * 10);
    private static readonly Func<OrderV2, OrderV3> SecondStep = static old => new([$"{old.Cents}:{old.Item}"]);

    [Theory]
    [InlineData(1, """{"item":"a","count":2}""", "20:a")]
    [InlineData(2, """{"item":"a","cents":5}""", "5:a")]
    [InlineData(3, """{"lines":["x"]}""", "x")]
    [InlineData(4, """{"lines":["x"],"new":1}""", "x")]
    [InlineData(null, """{"item":"a","count":2}""", "20:a")]
    public void A_consumer_gets_every_older_version_by_a_chain_and_newer_ones_as_they_are(int? version, string body, string line) =>
        Assert.Equal([line], Serializers(static m => m.UseUpcaster(FirstStep).UseUpcaster(SecondStep)).Decode<OrderV3>(Message(version, body)).Lines);

    [Fact]
    public void A_chain_ends_at_the_version_that_is_consumed() =>
        Assert.Equal(new("a", 20), Serializers(static m => m.UseUpcaster(SecondStep).UseUpcaster(FirstStep)).Decode<OrderV2>(Message(1, """{"item":"a","count":2}""")));

    [Fact]
    public void Without_a_version_and_without_a_chain_it_is_read_as_it_is() =>
        Assert.Equal(["x"], Serializers(static m => m.UseUpcaster(SecondStep)).Decode<OrderV3>(Message(null, """{"lines":["x"]}""")).Lines);

    [Fact]
    public async Task A_version_without_a_way_is_dead_at_once_and_says_which()
    {
        await using var host = await TestHost.StartAsync(static m => m
            .UseUpcaster(SecondStep)
            .AddConsumer<OrderV3>("q", static (_, _, _) => new(Outcome.Ack))
            .AddConsumer<OrderV1>("old", static (_, _, _) => new(Outcome.Ack)));

        await host.Bus.SendAsync("q", new OrderV1("a", 1));

        var letters = host.Services.GetRequiredService<IDeadLetters>();
        await Eventually.IsAsync(async () => await letters.CountAsync("q") == 1);
        var dead = await letters.ListAsync("q").FirstAsync();
        Assert.Equal((DeadLetterReason.NonRetryable, 1, typeof(UnsupportedVersionException).FullName), (dead.Info.Reason, dead.Info.Attempts, dead.Info.ExceptionType));
        Assert.Contains("version 1 of 'tests.order', the consumer takes OrderV3", dead.Info.Description, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_ways_from_one_version_are_refused_with_names()
    {
        var e = Refused(static m => m.UseUpcaster(FirstStep).UseUpcaster(SecondStep).UseUpcaster<OrderV1, OrderV3>(static _ => new([])));
        Assert.Contains("Two ways lead from version 1 to OrderV3", e, StringComparison.Ordinal);
        Assert.Contains("OrderV1 to OrderV2, OrderV2 to OrderV3", e, StringComparison.Ordinal);
        Assert.Contains("OrderV1 to OrderV3", e, StringComparison.Ordinal);
        Assert.Contains("Two ways", Refused(static m => m.UseUpcaster(FirstStep).UseUpcaster(FirstStep)), StringComparison.Ordinal);
    }

    [Fact]
    public void Steps_that_make_no_sense_are_refused_with_names()
    {
        Assert.Contains("OrderV2 to OrderV1 has to lead to a later version", Refused(static m => m.UseUpcaster<OrderV2, OrderV1>(static _ => new("", 0))), StringComparison.Ordinal);
        Assert.Contains("'tests.ping' to 'tests.order', which are different", Refused(static m => m.UseUpcaster<Ping, OrderV2>(static _ => new("", 0))), StringComparison.Ordinal);
        Assert.Contains("text and bytes", Refused(static m => m.UseUpcaster<string, OrderV2>(static _ => new("", 0))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_with_ambiguous_upcasters_does_not_start() =>
        await Assert.ThrowsAsync<MessagingConfigurationException>(static () => TestHost.StartAsync(static m => m.UseUpcaster(FirstStep).UseUpcaster(FirstStep)));

    [Fact]
    public async Task Messages_of_the_old_name_are_consumed_and_old_publishers_are_heard()
    {
        var seen = new List<(int, string?)>();
        var all = new TaskCompletionSource();
        await using var host = await TestHost.StartAsync(m => m.AddConsumer<Renamed>("q", (message, context, _) =>
        {
            seen.Add((message.Number, context.MessageType));
            if (seen.Count == 3)
            {
                all.SetResult();
            }

            return new(Outcome.Ack);
        }, static options => options with { Concurrency = 1 }));

        await host.Bus.PublishAsync(new OldName(1), new() { RequireSubscribers = true });
        await host.Bus.PublishAsync(new Renamed(2), new() { RequireSubscribers = true });
        await host.Bus.SendAsync("q", """{"number":3}""", new() { ContentType = "application/json" });
        await all.Task.WaitAsync(TimeSpan.FromSeconds(10));

        Assert.Equal([(1, "tests.old-name"), (2, "tests.renamed"), (3, null)], seen);
    }

    [Fact]
    public void An_older_version_of_another_name_is_made_newer_through_the_alias() =>
        Assert.Equal(8, Serializers(static m => m.UseUpcaster<OldName, RenamedV2>(static old => new(old.Number + 1))).Decode<RenamedV2>(new()
        {
            Id = "1",
            Type = "tests.old-name",
            SchemaVersion = 1,
            Body = """{"number":7}"""u8.ToArray(),
        }).Number);

    [Fact]
    public async Task An_alias_that_another_consumer_of_the_queue_has_is_refused_with_names()
    {
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(static () => TestHost.StartAsync(static m => m
            .AddConsumer<OldName>("q", static (_, _, _) => new(Outcome.Ack))
            .AddConsumer<Renamed>("q", static (_, _, _) => new(Outcome.Ack))));
        Assert.Contains("'tests.old-name': 'q:tests.old-name' and 'q:tests.renamed'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_alias_must_be_another_legal_name()
    {
        Assert.Contains("Not Legal", Assert.Throws<MessagingConfigurationException>(static () => MessageType<IllegalAlias>.Instance).Message, StringComparison.Ordinal);
        Assert.Contains("'tests.twice' twice", Assert.Throws<MessagingConfigurationException>(static () => MessageType<OwnAlias>.Instance).Message, StringComparison.Ordinal);
    }

    private static Serializers Serializers(Action<MessagingBuilder> register)
    {
        var registration = new MessagingRegistration();
        register(new(new ServiceCollection(), registration));
        return registration.BuildSerializers();
    }

    private static string Refused(Action<MessagingBuilder> register) => Assert.Throws<MessagingConfigurationException>(() => Serializers(register)).Message;

    private static Envelope Message(int? version, string body) => new() { Id = "1", Type = "tests.order", SchemaVersion = version, Body = Encoding.UTF8.GetBytes(body) };

    [Message("tests.order", Version = 1)]
    internal sealed record OrderV1(string Item, int Count);

    [Message("tests.order", Version = 2)]
    internal sealed record OrderV2(string Item, int Cents);

    [Message("tests.order", Version = 3)]
    internal sealed record OrderV3(string[] Lines);

    [Message("tests.old-name")]
    internal sealed record OldName(int Number);

    [Message("tests.renamed", Aliases = ["tests.old-name"])]
    internal sealed record Renamed(int Number);

    [Message("tests.renamed", Version = 2, Aliases = ["tests.old-name"])]
    internal sealed record RenamedV2(int Number);

    [Message("tests.illegal", Aliases = ["Not Legal"])]
    internal sealed record IllegalAlias;

    [Message("tests.twice", Aliases = ["tests.twice"])]
    internal sealed record OwnAlias;
}
