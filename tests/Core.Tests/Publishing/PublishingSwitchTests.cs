using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Publishing;

/// <summary>What is switched off reaches nobody, and what counts before what.</summary>
public sealed class PublishingSwitchTests : IAsyncLifetime
{
    private readonly ScriptedTransport _transport = new();
    private int _chain;
    private TestHost _host = null!;

    private PublishingSwitch Switch => _host.Services.GetRequiredService<PublishingSwitch>();

    public async ValueTask InitializeAsync() => _host = await TestHost.StartAsync(messaging => messaging
        .UseTransport("switched", _ => _transport)
        .UsePublish(next => context =>
        {
            _chain++;
            return next(context);
        }));

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task What_is_switched_off_is_told_counted_and_reaches_neither_middleware_nor_broker()
    {
        var counted = new List<string?>();
        using var meters = new MeterListener();
        meters.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument is { Meter.Name: "Postrider", Name: "postrider.suppressed" })
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        meters.SetMeasurementEventCallback<long>((_, _, tags, _) =>
        {
            if (tags.ToArray().Contains(new("messaging.system", "scripted")))
            {
                counted.Add((string?)tags.ToArray().Single(static tag => tag.Key == "messaging.destination.name").Value);
            }
        });
        meters.Start();
        Switch.IsOn = false;

        var published = await _host.Bus.PublishAsync(new Ping(1), new() { MessageId = "mine" });
        var sent = await _host.Bus.SendAsync("switched-off", new Ping(1));

        Assert.Equal(new PublishReceipt("mine", PublishStatus.Suppressed), published);
        Assert.Equal(PublishStatus.Suppressed, sent.Status);
        Assert.NotEmpty(sent.MessageId);
        Assert.Empty(_transport.Published);
        Assert.Equal(0, _chain);
        Assert.Contains("switched-off", counted);
        Switch.IsOn = true;
        Assert.True(await IsOnAsync());
    }

    [Fact]
    public async Task A_type_counts_before_everything_and_a_topic_before_its_type()
    {
        Switch.IsOn = false;
        Switch.Set<Ping>(true);
        Assert.True(await IsOnAsync());
        Assert.False(await IsOnAsync(new Pong(1)));
        Switch.SetTopic("tests.ping", false);
        Assert.False(await IsOnAsync());
        Assert.True(await IsOnAsync(topic: "other"));
        Assert.Equal(PublishStatus.Stored, (await _host.Bus.SendAsync("tests.ping", new Ping(1))).Status);
        Switch.SetTopic("tests.ping", null);
        Assert.True(await IsOnAsync());
        Switch.Set<Ping>(null);
        Assert.False(await IsOnAsync());
    }

    [Fact]
    public async Task A_scope_counts_before_all_the_innermost_first_and_ends()
    {
        Switch.SetTopic("tests.ping", true);
        using (Switch.Suppress())
        {
            Assert.False(await IsOnAsync());
            using (Switch.Allow<Ping>())
            {
                Assert.True(await IsOnAsync());
                Assert.False(await IsOnAsync(new Pong(1)));
                using (Switch.SuppressTopic("other"))
                {
                    Assert.True(await IsOnAsync());
                    Assert.False(await IsOnAsync(topic: "other"));
                }
            }

            Assert.False(await IsOnAsync());
        }

        Switch.IsOn = false;
        Assert.True(await IsOnAsync());
        Switch.SetTopic("tests.ping", null);
        using (Switch.AllowTopic("tests.ping"))
        using (Switch.Suppress<Pong>())
        {
            Assert.True(await IsOnAsync());
            Assert.False(await IsOnAsync(new Pong(1)));
        }

        using (Switch.Allow())
        {
            Assert.True(await IsOnAsync(new Pong(1)));
        }

        Assert.False(await IsOnAsync());
    }

    [Fact]
    public async Task A_scope_is_of_its_own_flow_and_is_over_for_whoever_outlives_it()
    {
        var (inside, outside) = (new TaskCompletionSource(), new TaskCompletionSource());
        Task<bool> outliving;
        using (Switch.Suppress())
        {
            outliving = Task.Run(async () =>
            {
                Assert.False(await IsOnAsync());
                inside.SetResult();
                await outside.Task;
                return await IsOnAsync();
            });
            await inside.Task;
            Task<bool> another;
            using (ExecutionContext.SuppressFlow())
            {
                another = Task.Run(() => IsOnAsync());
            }

            Assert.True(await another);
        }

        outside.SetResult();
        Assert.True(await outliving);
    }

    [Fact]
    public void Text_has_no_type_to_switch() => Assert.Throws<MessagingConfigurationException>(() => Switch.Set<string>(false));

    private Task<bool> IsOnAsync(string? topic = null) => IsOnAsync(new Ping(1), topic);

    private async Task<bool> IsOnAsync<TMessage>(TMessage message, string? topic = null)
        where TMessage : notnull
    {
        var before = _transport.Published.Count;
        var receipt = await _host.Bus.PublishAsync(message, topic is null ? null : new() { Topic = topic });
        Assert.Equal(receipt.Status == PublishStatus.Stored ? before + 1 : before, _transport.Published.Count);
        return receipt.Status == PublishStatus.Stored;
    }
}
