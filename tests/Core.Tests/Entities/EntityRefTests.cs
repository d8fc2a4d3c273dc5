using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Entities;

/// <summary>Messages that refer to entities: by registered names only, loaded in the delivery's scope.</summary>
public sealed partial class EntityRefTests
{
    [Fact]
    public async Task The_id_travels_and_the_consumer_loads_with_the_services_of_its_delivery()
    {
        var seen = new TaskCompletionSource<(string, Store, Store)>();
        await using var host = await StartAsync(m => m
            .AddConsumer<string>("raw", static (_, _, _) => new(Outcome.Ack))
            .AddConsumer<Bought>("q", async (message, context, _) =>
            {
                var customer = await context.ResolveAsync(message.Customer);
                seen.TrySetResult((customer.Name, customer.From, context.Services.GetRequiredService<Store>()));
                return Outcome.Ack;
            }));

        await host.Bus.SendAsync("q", new Bought(new("7/a"), null));

        var (name, from, scoped) = await seen.Task.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal("customer 7/a", name);
        Assert.Same(scoped, from);
    }

    [Fact]
    public async Task On_the_wire_it_is_the_registered_name_and_the_id()
    {
        var transport = new ScriptedTransport();
        await using var host = await StartAsync(m => m.UseTransport("scripted", _ => transport));

        await host.Bus.SendAsync("q", new Bought(new("7"), new EntityRef<Shop>("ä")));

        var body = JsonElement.Parse(transport.Published.Single().Envelope.Body.Span);
        Assert.Equal(("customer/7", "shops.main/ä"), (body.GetProperty("customer").GetProperty("$ref").GetString(), body.GetProperty("shop").GetProperty("$ref").GetString()));
    }

    [Theory]
    [InlineData("""{"customer":{"$ref":"customer/none"}}""", DeadLetterReason.NonRetryable, "'customer/none', which does not exist")]
    [InlineData("""{"customer":{"$ref":"shops.main/7"}}""", DeadLetterReason.NonRetryable, "'shops.main/7' where 'customer/…' is expected")]
    [InlineData("""{"customer":{"$ref":"System.String/7"}}""", DeadLetterReason.NonRetryable, "where 'customer/…' is expected")]
    [InlineData("""{}""", DeadLetterReason.NonRetryable, "does not say which 'customer'")]
    [InlineData("""{"customer":{"$ref":"customer/"}}""", DeadLetterReason.Malformed, "customer/7")]
    [InlineData("""{"customer":{"$ref":["customer/7"]}}""", DeadLetterReason.Malformed, "customer/7")]
    [InlineData("""{"customer":"customer/7"}""", DeadLetterReason.Malformed, "an object with '$ref'")]
    public async Task What_refers_to_nothing_is_dead_at_once(string body, DeadLetterReason reason, string why)
    {
        await using var host = await StartAsync(static m => m.AddConsumer<Bought>("q", static async (message, context, _) =>
        {
            await context.ResolveAsync(message.Customer);
            return Outcome.Ack;
        }));

        await host.Bus.SendAsync("q", Encoding.UTF8.GetBytes(body), new() { ContentType = "application/json" });

        var letters = host.Services.GetRequiredService<IDeadLetters>();
        await Eventually.IsAsync(async () => await letters.CountAsync("q") == 1);
        var info = (await letters.ListAsync("q").FirstAsync()).Info;
        Assert.Equal((reason, 1), (info.Reason, info.Attempts));
        Assert.Contains(why, info.Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_not_registered_is_neither_written_nor_loaded()
    {
        await using var host = await TestHost.StartAsync(static m => m.AddEntity("customer", Load));
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(async () => await host.Bus.SendAsync("q", new Bought(new("7"), new EntityRef<Shop>("1"))));
        Assert.Contains("AddEntity<Shop>", e.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<EntityReferenceException>(async () => await host.Bus.SendAsync("q", new OnlyCustomer(default)));
    }

    [Fact]
    public async Task Names_and_types_are_registered_once()
    {
        foreach (var wrong in (Action<MessagingBuilder>[])[
            static m => m.AddEntity("customer", Load).AddEntity("other", Load),
            static m => m.AddEntity("customer", Load).AddEntity<Shop>("customer", static (_, _, _) => default),
            static m => m.AddEntity("a/b", Load)])
        {
            await Assert.ThrowsAsync<MessagingConfigurationException>(() => TestHost.StartAsync(wrong));
        }
    }

    [Fact]
    public async Task Generated_metadata_are_enough()
    {
        var transport = new ScriptedTransport();
        await using var host = await StartAsync(m => m.UseSerializer(new JsonMessageSerializer(Context.Default.Options)).UseTransport("scripted", _ => transport));

        await host.Bus.SendAsync("q", new OnlyCustomer(new("7")));

        Assert.Equal("""{"Customer":{"$ref":"customer/7"}}""", Encoding.UTF8.GetString(transport.Published.Single().Envelope.Body.Span));
    }

    private static Task<TestHost> StartAsync(Action<MessagingBuilder> register) => TestHost.StartAsync(
        m => register(m.AddEntity("customer", Load).AddEntity<Shop>("shops.main", static (_, _, _) => default)),
        static services => services.AddScoped<Store>());

    private static ValueTask<Customer?> Load(IServiceProvider services, string id, CancellationToken cancellationToken) =>
        new(id == "none" ? null : new Customer($"customer {id}", services.GetRequiredService<Store>()));

    [JsonSerializable(typeof(OnlyCustomer))]
    internal sealed partial class Context : JsonSerializerContext;

    internal sealed record Bought(EntityRef<Customer> Customer, EntityRef<Shop>? Shop);

    internal sealed record OnlyCustomer(EntityRef<Customer> Customer);

    internal sealed record Customer(string Name, Store From);

    internal sealed record Shop;

    internal sealed class Store;
}
