using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>Names cannot be turned into SQL, through our interface or through the functions of PGMQ.</summary>
public sealed class NameTests(Database database) : IClassFixture<Database>
{
    private static readonly string[] Nasty =
    [
        "q'; drop table pgmq.meta; --", "q\"; drop table pgmq.meta; --", "$$", "q$1", "a;b", "a--b'", "Q", "ä", "а" /* Cyrillic */, "q\0", "q\n", "..", ".a", "a.", "",
        " ", "pgmq.meta", new string('a', 44), new string('a', 48), "a/b", "a%Ib", "a\\", "ｑ", "q\u202e", "select", "q_",
    ];

    [Fact]
    public async Task Nasty_names_change_nothing_but_queues_of_their_own()
    {
        Database.Require();
        await using var transport = database.Transport();
        await transport.DeclareAsync("anchor");
        var before = await CatalogAsync();
        var random = new Random(20261122);
        const string alphabet = "ab_-.Q'\";$\\ \n\0%äа*#";
        var names = Nasty.Concat(Enumerable.Range(0, 3000).Select(_ =>
            new string([.. Enumerable.Range(0, random.Next(1, 50)).Select(_ => alphabet[random.Next(alphabet.Length)])]))).ToArray();
        foreach (var name in names)
        {
            var legal = Names.WhyIllegalQueue(name) is null;
            try
            {
                Assert.Matches("^[a-z0-9_]{1,47}$", TableName.Of(name));
                Assert.True(legal);
            }
            catch (MessagingConfigurationException)
            {
                Assert.False(legal);
            }
        }

        var results = await transport.PublishAsync(
            [.. names.SelectMany(name => (OutgoingMessage[])[new(Destination.Queue(name), Database.Message("1")), new(Destination.Topic(name), Database.Message("1"))])]);

        Assert.All(results, result => Assert.True(result.Status is PublishStatus.Rejected or PublishStatus.Unroutable, result.ToString()));
        foreach (var name in Nasty.Where(name => Names.WhyIllegalQueue(name) is not null))
        {
            await Assert.ThrowsAsync<MessagingConfigurationException>(async () => await transport.OpenAsync(name));
        }

        Assert.Equal(before, await CatalogAsync());
    }

    [Fact]
    public async Task The_functions_of_pgmq_take_nasty_names_as_names()
    {
        Database.Require();
        await using var transport = database.Transport();
        await transport.DeclareAsync("anchor");
        var before = await CatalogAsync();
        string[] calls =
        [
            "pgmq.send({0}, '1')", "pgmq.send({0}, '1', '{{}}'::jsonb)", "pgmq.send({0}, '1', 5)", "pgmq.send_batch({0}, array['1'::jsonb])", "pgmq.read({0}, 1, 1)",
            "pgmq.read_with_poll({0}, 1, 1, 1, 10)", "pgmq.pop({0})", "pgmq.archive({0}, 1)", "pgmq.archive({0}, array[1::bigint])", "pgmq.delete({0}, 1)",
            "pgmq.delete({0}, array[1::bigint])", "pgmq.set_vt({0}, 1, 1)", "pgmq.purge_queue({0})", "pgmq.metrics({0})", "pgmq.drop_queue({0})",
        ];
        var refused = 0;
        foreach (var name in Nasty.Where(name => !name.Contains('\0') && name != "anchor"))
        {
            foreach (var call in calls)
            {
                try
                {
                    await database.SqlAsync("select " + string.Format(null, call, "'" + name.Replace("'", "''", StringComparison.Ordinal) + "'"));
                }
                catch (Npgsql.PostgresException)
                {
                    refused++;
                }
            }
        }

        Assert.True(refused > 200);
        Assert.Equal(before, await CatalogAsync());
        foreach (var name in (string[])["'" + new string('a', 48) + "'", "'a;b'", "'a''b'", "'a--b'", "'$1'"])
        {
            await Assert.ThrowsAsync<Npgsql.PostgresException>(() => database.SqlAsync($"select pgmq.create({name})"));
        }

        var error = await Assert.ThrowsAsync<Npgsql.PostgresException>(() => database.SqlAsync($"select pgmq.create('{new string('a', 48)}')"));
        Assert.Contains("too long", error.MessageText, StringComparison.Ordinal);
        await database.SqlAsync("select pgmq.create('Odd \" Name'), pgmq.send('Odd \" Name', '1')");
        Assert.Single(await database.SqlAsync("select * from pgmq.read('odd \" name', 1, 1)"));
        await database.SqlAsync("select pgmq.drop_queue('Odd \" Name')");
        Assert.Equal(before, await CatalogAsync());
    }

    [Fact]
    public async Task The_longest_name_works()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = "l" + new string('o', Names.MaxQueueLength - 3) + "ng";
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Database.Message("1"));
        await using var receiver = await transport.OpenAsync(queue);
        var info = new DeadLetterInfo { Reason = DeadLetterReason.Rejected, Queue = queue };
        Assert.Equal(SettleStatus.Settled, Assert.Single(await receiver.SettleAsync(Settlement.DeadLetter(await receiver.OneAsync(), info))).Status);
        await using var dead = await transport.OpenAsync(queue + ".dlq");
        await dead.OneAsync();
    }

    private async Task<string[]> CatalogAsync() =>
        [.. (await database.SqlAsync(
            "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname in ('pgmq', 'postrider', 'public') and c.relname not like '%oooo%' order by 1"))
            .Select(row => (string)row[0]!)];
}
