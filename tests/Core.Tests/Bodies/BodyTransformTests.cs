using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Serialization;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Bodies;

/// <summary>Changes of the user's own, such as encryption: in order, undone in reverse, and what goes wrong in them.</summary>
public sealed class BodyTransformTests
{
    private static readonly string Long = new('x', 5000);

    [Fact]
    public async Task They_are_applied_in_order_named_in_order_and_undone_in_reverse()
    {
        var (seen, transport) = (new SeenBodies(), new ScriptedTransport());
        void Register(MessagingBuilder messaging) => messaging.UseBodyTransform<Brackets>().UseCompression().UseBodyTransform<Aes>();
        await using (var publisher = await TestHost.StartAsync(m => Register(m.UseTransport("scripted", _ => transport)), static services => services.AddSingleton(new Vault())))
        {
            await publisher.Bus.SendAsync("q", Long);
            await publisher.Bus.SendAsync("q", "short");
        }

        var sent = transport.Published.Select(static one => one.Envelope).ToList();
        Assert.Equal(["brackets, gzip, test-aes", "brackets, test-aes"], sent.Select(static one => one.ContentEncoding));
        Assert.DoesNotContain("short", Encoding.UTF8.GetString(sent[1].Body.Span), StringComparison.Ordinal);

        await using var host = await TestHost.StartAsync(
            messaging =>
            {
                Register(messaging);
                seen.Consumer()(messaging);
            },
            static services => services.AddSingleton(new Vault()));
        await Wire.SendRawAsync(host, sent[0]);
        await Wire.SendRawAsync(host, sent[1]);
        await seen.CountAsync(2);
        await Wire.SendRawAsync(host, sent[0] with { Id = "another" });
        var letter = await Wire.DeadLetterAsync(host);

        Assert.Equal([Long, "short"], seen.Select(static one => one.Body).OrderByDescending(static one => one.Length));
        Assert.Equal(DeadLetterReason.Malformed, letter.Info.Reason);
    }

    [Fact]
    public async Task One_that_leaves_a_body_alone_leaves_no_trace_and_one_registered_twice_is_one()
    {
        var transport = new ScriptedTransport();
        await using var host = await TestHost.StartAsync(m => m.UseTransport("scripted", _ => transport).UseBodyTransform<Brackets>().UseBodyTransform<Undecided>().UseBodyTransform<Brackets>());

        await host.Bus.SendAsync("q", "body");

        var e = Assert.Single(transport.Published).Envelope;
        Assert.Equal(("brackets", "[body]"), (e.ContentEncoding, Encoding.UTF8.GetString(e.Body.Span)));
    }

    [Fact]
    public async Task A_body_that_becomes_too_large_is_refused()
    {
        var transport = new ScriptedTransport();
        await using var host = await TestHost.StartAsync(m => m
            .UseTransport("scripted", _ => transport).UseBodyTransform<Brackets>().Configure(static options => options with { MaxBodyBytes = 10 }));

        await host.Bus.SendAsync("q", "12345678");
        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync("q", "123456789"));

        Assert.Equal(PublishStatus.Rejected, e.Status);
        Assert.Single(transport.Published);
    }

    [Fact]
    public async Task A_key_that_does_not_come_in_time_ends_the_publish_and_a_failure_is_the_callers()
    {
        var (transport, vault) = (new ScriptedTransport(), new Vault { Open = Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, CancellationToken.None) });
        await using var host = await TestHost.StartAsync(
            m => m.UseTransport("scripted", _ => transport).UseBodyTransform<Aes>().Configure(static options => options with { PublishTimeout = TimeSpan.FromMilliseconds(50) }),
            services => services.AddSingleton(vault));
        using var caller = new CancellationTokenSource();

        var late = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync("q", "body"));
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await host.Bus.SendAsync("q", "body", null, caller.Token));
        vault.Open = Task.FromException(new UnauthorizedAccessException());
        await Assert.ThrowsAsync<UnauthorizedAccessException>(async () => await host.Bus.SendAsync("q", "body"));
        vault.Open = Task.CompletedTask;
        await host.Bus.SendAsync("q", "body");

        Assert.Equal(PublishStatus.NotSent, late.Status);
        Assert.Single(transport.Published);
    }

    [Fact]
    public async Task A_key_that_cannot_be_had_is_a_failed_attempt_and_the_policy_of_the_consumer_decides()
    {
        var (seen, vault) = (new SeenBodies(), new Vault());
        await using var host = await TestHost.StartAsync(
            messaging => seen.Consumer(static options => options with { Retry = RetryPolicy.Immediate with { MaxAttempts = 3 } })(messaging.UseBodyTransform<Aes>()),
            services => services.AddSingleton(vault));

        vault.Failures = 2;
        await host.Bus.SendAsync(Wire.Queue, "first");
        await seen.CountAsync(1);
        vault.Failures = 3;
        await host.Bus.SendAsync(Wire.Queue, "second");
        var letter = await Wire.DeadLetterAsync(host);

        Assert.Equal(("first", 3), (Assert.Single(seen).Body, seen.Single().Envelope.Attempt));
        Assert.Equal((DeadLetterReason.Exhausted, 3, typeof(UnauthorizedAccessException).FullName), (letter.Info.Reason, letter.Info.Attempts, letter.Info.ExceptionType));
        Assert.Equal("test-aes", letter.Envelope.ContentEncoding);
    }

    [Fact]
    public async Task A_message_whose_key_was_waited_for_at_shutdown_goes_back_untouched()
    {
        var (seen, broker, asked) = (new SeenBodies(), new InMemoryBroker(), new TaskCompletionSource());
        var vault = new Vault();
        await using (var host = await StartAsync(vault))
        {
            vault.Restoring = async cancellationToken =>
            {
                asked.TrySetResult();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            };
            await host.Bus.SendAsync(Wire.Queue, "body");
            await asked.Task.WaitAsync(TimeSpan.FromSeconds(10));
            await host.StopAsync();
        }

        Assert.Empty(seen);
        await using var next = await StartAsync(new());
        await seen.CountAsync(1);
        Assert.Equal(("body", 1), (seen.Single().Body, seen.Single().Envelope.Attempt));

        Task<TestHost> StartAsync(Vault keys) => TestHost.StartAsync(
            messaging => seen.Consumer()(messaging.UseInMemory(broker).UseBodyTransform<Aes>().Configure(static options => options with { DrainTimeout = TimeSpan.Zero })),
            services => services.AddSingleton(keys));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a,b")]
    [InlineData("a b")]
    [InlineData("identity")]
    [InlineData("UTF-8")]
    public void Its_name_must_be_one(string name) => Assert.Throws<MessagingConfigurationException>(() => new BodyTransforms([new Named(name)]));

    private sealed class Vault
    {
        public byte[] Key { get; } = SHA256.HashData("a key"u8);

        public Task Open { get; set; } = Task.CompletedTask;

        public Func<CancellationToken, Task> Restoring { get; set; } = static _ => Task.CompletedTask;

        public int Failures { get; set; }
    }

    private sealed class Aes(Vault vault) : IBodyTransform
    {
        public string ContentEncoding => "test-aes";

        public async ValueTask<bool> TransformAsync(Envelope envelope, IBufferWriter<byte> output, CancellationToken cancellationToken)
        {
            await vault.Open.WaitAsync(cancellationToken);
            var sealedBody = new byte[28 + envelope.Body.Length];
            RandomNumberGenerator.Fill(sealedBody.AsSpan(0, 12));
            using var aes = new AesGcm(vault.Key, 16);
            aes.Encrypt(
                sealedBody.AsSpan(0, 12), envelope.Body.Span, sealedBody.AsSpan(28), sealedBody.AsSpan(12, 16), Encoding.UTF8.GetBytes(envelope.Id));
            output.Write(sealedBody);
            return true;
        }

        public async ValueTask RestoreAsync(Envelope envelope, IBufferWriter<byte> output, CancellationToken cancellationToken)
        {
            await vault.Restoring(cancellationToken);
            if (vault.Failures-- > 0)
            {
                throw new UnauthorizedAccessException();
            }

            var plain = new byte[envelope.Body.Length - 28];
            var body = envelope.Body.Span;
            try
            {
                using var aes = new AesGcm(vault.Key, 16);
                aes.Decrypt(body[..12], body[28..], body[12..28], plain, Encoding.UTF8.GetBytes(envelope.Id));
            }
            catch (AuthenticationTagMismatchException e)
            {
                throw new MalformedMessageException("The body was not encrypted by us, or not for this message.", e);
            }

            output.Write(plain);
        }
    }

    private sealed class Brackets : IBodyTransform
    {
        public string ContentEncoding => "brackets";

        public ValueTask<bool> TransformAsync(Envelope envelope, IBufferWriter<byte> output, CancellationToken cancellationToken)
        {
            output.Write((byte[])[(byte)'[', .. envelope.Body.Span, (byte)']']);
            return new(true);
        }

        public ValueTask RestoreAsync(Envelope envelope, IBufferWriter<byte> output, CancellationToken cancellationToken)
        {
            Assert.Equal("brackets", envelope.ContentEncoding);
            output.Write(envelope.Body.Span[1..^1]);
            return default;
        }
    }

    private sealed class Undecided : IBodyTransform
    {
        public string ContentEncoding => "undecided";

        public ValueTask<bool> TransformAsync(Envelope envelope, IBufferWriter<byte> output, CancellationToken cancellationToken)
        {
            output.Write("something"u8);
            return new(false);
        }

        public ValueTask RestoreAsync(Envelope envelope, IBufferWriter<byte> output, CancellationToken cancellationToken) => throw new NotSupportedException();
    }

    private sealed class Named(string name) : IBodyTransform
    {
        public string ContentEncoding => name;

        public ValueTask<bool> TransformAsync(Envelope envelope, IBufferWriter<byte> output, CancellationToken cancellationToken) => new(false);

        public ValueTask RestoreAsync(Envelope envelope, IBufferWriter<byte> output, CancellationToken cancellationToken) => default;
    }
}
